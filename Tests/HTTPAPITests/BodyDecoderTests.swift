// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Testing
import WorkflowModel

@testable import HTTPAPI

@Suite struct BodyDecoderTests {
    private func complaint<T: RequestDocument>(_ type: T.Type, _ body: String) -> Problem? {
        do throws(Problem) {
            _ = try BodyDecoder.decode(type, from: body.utf8)
            return nil
        } catch {
            return error
        }
    }

    @Test func ordersOfOperatorsAreRead() throws {
        let drain = try BodyDecoder.decode(NodeOrderRequest.self, from: #"{"kind":"drain","by":"1970-01-01T01:00:00+01:00"}"#.utf8)
        #expect(drain.kind == .drain && drain.by?.timeIntervalSince1970 == 0)
        #expect(complaint(NodeOrderRequest.self, #"{"kind":"shut"}"#)?.errors.map(\.pointer) == ["/kind"])
        let time = complaint(NodeOrderRequest.self, #"{"kind":"drain","by":"tomorrow"}"#)?.errors
        #expect(time?.map(\.pointer) == ["/by"] && time?.first?.detail.contains("RFC 3339") == true)
        let window = complaint(WindowRequest.self, #"{"name":"w","kind":"maintenance","end":"1970-01-01T00:00:00Z"}"#)
        #expect(window?.errors.map(\.pointer) == ["/start"])
        #expect(
            complaint(RunRequest.self, #"{"graph":"a/b","budget":0.5,"deadline":1.5,"max_ranks":2.5}"#)?.errors.map(\.pointer) == [
                "/max_ranks"
            ])
        let account = try BodyDecoder.decode(AccountRequest.self, from: #"{"share":0.5,"rank_hours":1.5,"ranks":3}"#.utf8)
        #expect(account.share == 0.5 && account.rankHours == 1.5 && account.ranks == 3)
        #expect(complaint(AccountRequest.self, #"{"share":0.5,"ranks":1.5}"#)?.errors.map(\.pointer) == ["/ranks"])
        #expect(complaint(AccountRequest.self, #"{"rank":1}"#)?.errors.map(\.pointer) == ["/rank"])
    }

    @Test func questionsAboutTheFutureAreRead() throws {
        let wait = try BodyDecoder.decode(WaitForecastRequest.self, from: #"{"ranks":4,"needs":{"time_limit":60,"labels":["gpu"]}}"#.utf8)
        #expect(wait == WaitForecastRequest(ranks: 4, needs: RunNeeds(timeLimit: 60, labels: ["gpu"])))
        #expect(complaint(WaitForecastRequest.self, #"{"run":"latest"}"#)?.errors.map(\.pointer) == ["/run"])
        #expect(complaint(WaitForecastRequest.self, #"{"ranks":1.5}"#)?.errors.map(\.pointer) == ["/ranks"])
        let change = try BodyDecoder.decode(
            WhatIfRequest.self, from: #"{"add":4,"like":"n1","at":"1970-01-01T01:00:00+01:00","policy":"easy","horizon":3600}"#.utf8)
        #expect((change.add, change.like, change.at?.timeIntervalSince1970, change.policy, change.horizon) == (4, "n1", 0, "easy", 3600))
        #expect(complaint(WhatIfRequest.self, #"{"remove":4}"#)?.errors.map(\.pointer) == ["/remove"])
        #expect(complaint(WhatIfRequest.self, #"{"drain":"n1"}"#)?.errors.map(\.pointer) == ["/drain"])
        let advice = try BodyDecoder.decode(AdviceRequest.self, from: #"{"target_p95_wait":1800,"like":"n1","most_nodes":8}"#.utf8)
        #expect(advice == AdviceRequest(targetP95Wait: 1800, like: "n1", mostNodes: 8))
        #expect(complaint(AdviceRequest.self, #"{"like":"n1"}"#)?.errors.map(\.pointer) == ["/target_p95_wait"])
    }

    @Test func aRetryIsRead() throws {
        let request = try BodyDecoder.decode(RetryRequest.self, from: #"{"resume":true,"dry_run":true}"#.utf8)
        #expect(request == RetryRequest(resume: true, dryRun: true))
        #expect(complaint(RetryRequest.self, #"{"resume":1}"#)?.errors.map(\.detail) == ["must be true or false"])
        #expect(complaint(RetryRequest.self, #"{"resumes":true}"#)?.errors.map(\.pointer) == ["/resumes"])
    }

    @Test func aWholeRequestIsRead() throws {
        let body = #"{"graph":"demo/wordcount@1","inputs":{"Read":[{"path":"a"}]},"ranks":4,"layout":"spread","dry_run":true}"#
        let request = try BodyDecoder.decode(RunRequest.self, from: body.utf8)
        let expected = RunRequest(
            graph: try Reference("demo/wordcount@1"), inputs: .byElement(["Read": .items([["path": "a"]])]), ranks: 4, layout: .spread,
            dryRun: true)
        #expect(request == expected)
    }

    @Test(arguments: [
        (#"{"graph":"demo/w","ranks":"four"}"#, "/ranks", "must be a whole number, or \"auto\""),
        (#"{"graph":"demo/w","needs":{"priority":"urgent"}}"#, "/needs/priority", "is 'urgent'; write one of low, normal, high"),
        (#"{"graph":"demo/w","needs":{"priority":3}}"#, "/needs/priority", "must be text"),
        (#"{"graph":"demo/w","ranks":1.5}"#, "/ranks", "must be a whole number"),
        (#"{"ranks":4}"#, "/graph", "is required: write text: namespace/name or namespace/name@version"),
        (#"{"graph":null}"#, "/graph", "must be text: namespace/name or namespace/name@version"),
        (#"{"graph":"demo/w","layout":"wide"}"#, "/layout", "must be one of fused, spread"),
        (#"{"graph":"demo/w","dry_run":1}"#, "/dry_run", "must be true or false"),
        (#"{"graph":"demo/w","costs":{"format":1}}"#, "/costs/elements", "is required"),
        (#"{"graph":"demo/w","arguments":"-v"}"#, "/arguments", "must be an array of texts"),
        (#"{"graph":"demo/w","inputs":"all"}"#, "/inputs", "must be a number of iterations, or an object"),
        (#"{"graph":"demo/w","inputs":{"a/b":"x"}}"#, "/inputs/a~1b", "must be an array"),
        (#"{"graph":"demo"}"#, "/graph", "'demo' is not a name in the registry"),
        (#"{"graph":"demo/w","rank":4}"#, "/rank", "is unknown: this body knows arguments, budget, costs, deadline"),
        (#"{"graph":"demo/w","inputs":{"A":[{"x":"a\u0000"}]}}"#, "/inputs/A/0/x", "holds a NUL character"),
        ("[1]", "", "must be a JSON object with arguments, budget, costs, deadline"),
    ])
    func aFieldThatCannotBeAcceptedIsNamed(body: String, pointer: String, detail: String) throws {
        let problem = try #require(complaint(RunRequest.self, body))
        #expect(problem.kind == .invalid)
        let error = try #require(problem.errors.first)
        #expect(error.pointer == pointer)
        #expect(error.detail.contains(detail), "\(error.detail)")
    }

    @Test(arguments: ["", "{", "{\"graph\": demo}", "\u{FEFF}nothing"])
    func whatIsNotJSONIsABadRequest(body: String) {
        #expect(complaint(RunRequest.self, body)?.kind == .badRequest)
    }

    @Test func jsonNestedWithoutEndIsABadRequest() {
        #expect(complaint(RunRequest.self, #"{"inputs":"# + String(repeating: "[", count: 100_000))?.kind == .badRequest)
    }
}
