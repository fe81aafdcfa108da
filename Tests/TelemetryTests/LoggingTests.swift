// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Synchronization
import Testing
import WorkflowModel

@testable import Telemetry

@Suite struct LoggingTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    private static let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl-_x"

    private func logger(_ format: LogFormat, _ lines: Lines, level: Logger.Level = .info) -> Logger {
        Logger(label: "weft.test") { WeftLogHandler(label: $0, format: format, level: level) { lines.add($0) } }
    }

    @Test func aJSONRecordIsOneLineWithItsParts() throws {
        let lines = Lines()
        var logger = logger(.json, lines)
        logger[metadataKey: "request"] = "r1"
        logger.warning("run\nfailed", metadata: ["run": "run_1", "list": ["a", "b"], "nested": ["rank": "\(3)"]])
        let line = try #require(lines.all.first)
        #expect(!line.contains("\n"))
        let record = try WireJSON.decode(JSONValue.self, from: line.utf8)
        #expect(record["level"] == "warning" && record["logger"] == "weft.test" && record["message"] == "run\nfailed")
        #expect(record["metadata"] == ["request": "r1", "run": "run_1", "list": ["a", "b"], "nested": ["rank": "3"]])
        #expect(record["ts"]?.stringValue.flatMap(WireJSON.parse) != nil)
    }

    @Test func aTextRecordIsOneLineForPeople() throws {
        let lines = Lines()
        logger(.text, lines).info("ready\nnow", metadata: ["port": "8080", "name": "two words", "quote": "a\"b\n", "empty": ""])
        let line = try #require(lines.all.first)
        #expect(line.split(separator: " ", maxSplits: 1)[1] == #"info     ready\nnow empty="" name="two words" port=8080 quote="a\"b\n""#)
    }

    @Test(arguments: LogFormat.allCases) func credentialsAreTakenOut(format: LogFormat) throws {
        let lines = Lines()
        logger(format, lines).error(
            "refused Authorization: Bearer opaque-secret-1 and \(Self.jwt)",
            metadata: [
                "header": "bearer \(Self.jwt)", "list": ["x \(Self.jwt) y"], "nested": ["token": .stringConvertible(Substring(Self.jwt))],
            ])
        let line = try #require(lines.all.first)
        for secret in ["opaque-secret-1", "eyJ", "c2lnbmF0dXJl"] { #expect(!line.contains(secret), "\(line)") }
        #expect(line.contains("refused Authorization: Bearer [redacted] and [redacted]"))
    }

    @Test func errorsAreRecordedAndRedacted() throws {
        struct Refused: Error, CustomStringConvertible { var description: String }
        let lines = Lines()
        logger(.json, lines).error("failed", error: Refused(description: "because of \(Self.jwt)"))
        #expect(try #require(lines.all.first).contains(#""error":"because of [redacted]""#))
    }

    @Test(arguments: [
        ("\(jwt)", "[redacted]"), ("<\(jwt)>", "<[redacted]>"), ("eyJhbGciOiJkaXIifQ..a.b.c", "[redacted]"), ("eyJ alone", "eyJ alone"),
        ("BEARER  abc", "BEARER  [redacted]"), ("bearer", "bearer"), ("bearers of news", "bearers of news"), ("", ""),
        ("Bearer a, Bearer b", "Bearer [redacted], Bearer [redacted]"), ("ü \(jwt) ü", "ü [redacted] ü"),
    ])
    func redaction(text: String, expected: String) { #expect(SecretRedaction.redacted(text) == expected) }

    @Test func levelsBelowTheConfiguredOneAreSilent() {
        let lines = Lines()
        let logger = logger(.text, lines, level: .notice)
        logger.info("not shown")
        logger.notice("shown")
        #expect(lines.all.count == 1)
    }
}
