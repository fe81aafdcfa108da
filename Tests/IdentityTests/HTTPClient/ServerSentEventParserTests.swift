// SPDX-License-Identifier: Apache-2.0

import HTTPClient
import Testing

@Suite struct ServerSentEventParserTests {
    static let stream =
        "\u{FEFF}: comment\r\nretry: 2500\r\n\r\nid: 1\nevent: log\ndata: first\ndata:  second\n\n"
        + "data:ünïcode\r\rid\nevent\ndata\n\nid: 7\n\nevent: end\ndata: {}\r\n\r\ndata: never finished"

    static let events = [
        ServerSentEvent(id: "1", event: "log", data: "first\n second"), ServerSentEvent(id: "1", data: "ünïcode"),
        ServerSentEvent(id: nil, data: ""), ServerSentEvent(id: "7", event: "end", data: "{}"),
    ]

    @Test(arguments: 1...40) func piecesOfAnySizeGiveTheSameEvents(size: Int) throws {
        let bytes = Array(Self.stream.utf8)
        var parser = ServerSentEventParser()
        var events: [ServerSentEvent] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            events += try parser.append(bytes[start..<min(start + size, bytes.count)])
        }
        #expect(events == Self.events)
        #expect(parser.retry == .milliseconds(2500))
        #expect(parser.lastEventID == "7")
    }

    @Test(arguments: ["retry: 1.5\n\n", "retry: -3\n\n", "retry: x\n\n", "retry:\n\n"]) func onlyDigitsAreARetryTime(text: String) throws {
        var parser = ServerSentEventParser()
        #expect(try parser.append(text.utf8) == [])
        #expect(parser.retry == nil)
    }

    @Test func anIdWithNULIsIgnored() throws {
        var parser = ServerSentEventParser()
        #expect(try parser.append("id: 3\ndata: a\n\nid: 4\0\ndata: b\n\n".utf8).map(\.id) == ["3", "3"])
    }

    @Test(arguments: ["data: 12345678901\n\n", "data: 12345\ndata: 12345\n\n"]) func eventsAreBounded(text: String) {
        var parser = ServerSentEventParser(maximumEventBytes: 16)
        #expect(throws: ServerSentEventParser.TooLarge.self) { try parser.append(text.utf8) }
    }
}
