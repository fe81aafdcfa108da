// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WorkflowModel

@testable import HTTPAPI

@Suite struct StreamTests {
    @Test func anEventIsFramed() {
        let event = ServerSentEvent(id: "17", event: "log", data: "{\"a\":1}")
        #expect(event.text == "id: 17\nevent: log\ndata: {\"a\":1}\n\n")
    }

    @Test func noLineBreakInDataEndsTheEvent() {
        let event = ServerSentEvent(event: "log", data: "a\nb\r\nc\rd\n")
        #expect(event.text == "event: log\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n")
    }

    @Test func aHeartbeatIsAComment() {
        #expect(ServerSentEvent.heartbeat.hasPrefix(":") && ServerSentEvent.heartbeat.hasSuffix("\n\n"))
    }

    @Test func theLastEventTellsTheState() throws {
        #expect(try StreamEnd(state: .cancelled).event.text == "event: end\ndata: {\"state\":\"cancelled\"}\n\n")
    }
}

@Suite struct EntityTagTests {
    let tag = EntityTag(of: Array("a".utf8))

    @Test func itIsTheSameInEveryProcess() { #expect(tag.description == "\"af63dc4c8601ec8c\"") }

    @Test func otherContentHasAnotherTag() { #expect(EntityTag(of: Array("b".utf8)) != tag) }

    @Test func clientsMayNameSeveralAndWeakTags() {
        #expect(tag.matches(["\"x\", W/\"af63dc4c8601ec8c\""]))
        #expect(tag.matches(["*"]))
        #expect(!tag.matches(["\"x\"", "af63dc4c8601ec8c"]))
        #expect(!tag.matches([]))
    }

    @Test func anAccountIsAnotherWhenItsOrdersAre() throws {
        let account = ShareAccount(name: "a", ranks: 4)
        let tag = try EntityTag(of: AccountStatus(account: account, used: .init()))
        let later = try EntityTag(of: AccountStatus(account: account, used: .init(ranks: 2)))
        #expect(tag != later, "for who has read it before")
        let isSame = EntityTag.condition(of: [.ifMatch: later.description])
        #expect(isSame(account) && !isSame(nil) && !isSame(ShareAccount(name: "a", ranks: 5)))
        let isNew = EntityTag.condition(of: [.ifNoneMatch: "*"])
        #expect(isNew(nil) && !isNew(account))
        let isAny = EntityTag.condition(of: [.ifMatch: "*"])
        #expect(isAny(account) && !isAny(nil))
        #expect(EntityTag.condition(of: [:])(nil))
        for nothing in ["", " , ", "W/\(tag)"] { #expect(!EntityTag.condition(of: [.ifMatch: nothing])(account), "\(nothing)") }
        #expect(!EntityTag.condition(of: [.ifNoneMatch: "W/\(tag)"])(account), "by weak comparison")
    }
}
