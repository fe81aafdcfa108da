// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing
import WorkflowModel

@testable import RankRuntime

@Suite struct FailureFileTests {
    func report(_ text: String = "", message: String = "Sum3 raised") -> FailureReport {
        FailureReport(
            cause: .exception, message: message, at: Date(timeIntervalSince1970: 1), rank: 3, node: "node7", element: "Sum3", instance: 2,
            signal: nil, exitStatus: nil, datum: "12", datumSummary: text, traceback: text + "\nValueError: the end")
    }

    @Test(arguments: ["x", "漢", "🙂", "\"", "\\", "\u{1}", "\n", "\u{0}", "é\r\n"])
    func hugeTextsAreCutUntilTheReportFits(character: String) throws {
        for length in [0, 100, 2000, 5000, 20_000, 200_000] {
            let text = String(repeating: character, count: length)
            let bytes = try #require(FailureFile.encode(report(text, message: "Sum3 raised " + text)))
            #expect(bytes.count <= FailureFile.size)
            let decoded = try WireJSON.decode(FailureReport.self, from: bytes)
            #expect(decoded.message.hasPrefix("Sum3 raised "))
            #expect(decoded.traceback?.hasSuffix("\nValueError: the end") == true, "the error itself stands at the end")
            #expect(decoded.element == "Sum3")
            #expect(!String(decoding: bytes, as: UTF8.self).contains("\u{FFFD}"), "no character is torn")
        }
    }

    @Test func whatFitsIsKeptAsItIs() throws {
        let report = report(String(repeating: "a line of a traceback\n", count: 60))
        #expect(try WireJSON.decode(FailureReport.self, from: #require(FailureFile.encode(report))) == report)
    }

    @Test(arguments: 0..<50) func whatIsLeftOutIsCounted(seed: UInt64) throws {
        var numbers = Numbers(state: seed)
        let text = String((0..<Int.random(in: 1...3000, using: &numbers)).map { _ in "aü漢🙂".randomElement(using: &numbers) ?? " " })
        let bound = Int.random(in: 2...4000, using: &numbers)
        let short = FailureFile.shorten(text, to: bound)
        guard short != text else { return #expect(text.utf8.count <= bound) }
        let match = try #require(short.firstMatch(of: /\n… \((\d+) bytes left out\) …\n/))
        let (head, tail) = (short[..<match.range.lowerBound], short[match.range.upperBound...])
        #expect(text.hasPrefix(head) && text.hasSuffix(tail))
        #expect(head.utf8.count + tail.utf8.count <= bound + 3)
        #expect(Int(match.1) == text.utf8.count - head.utf8.count - tail.utf8.count)
    }

    @Test func theCountIsOfTheWholeText() throws {
        // It takes several rounds until these fit, since each byte becomes six in JSON.
        let text = String(repeating: "\u{1}", count: 100_000)
        let decoded = try WireJSON.decode(FailureReport.self, from: #require(FailureFile.encode(report(text))))
        let traceback = try #require(decoded.traceback)
        let match = try #require(traceback.firstMatch(of: /\n… \((\d+) bytes left out\) …\n/))
        #expect(traceback.matches(of: /left out/).count == 1)
        #expect(try #require(Int(match.1)) > 90_000)
    }

    @Test func theFileIsBlankUntilAReportIsWritten() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/rank-3.failure"
        let file = try FailureFile(path: path)
        #expect(try folder.bytes(of: path) == [UInt8](repeating: UInt8(ascii: " "), count: FailureFile.size))

        #expect(file.write(report(String(repeating: "long", count: 100_000))))
        #expect(file.write(report("short")))
        let bytes = try folder.bytes(of: path)
        #expect(bytes.count == FailureFile.size)
        #expect(try WireJSON.decode(FailureReport.self, from: bytes) == report("short"), "nothing is left of the longer report")
    }

    @Test func aSecondStartDoesNotTouchTheReport() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/rank-3.failure"
        _ = try FailureFile(path: path)
        let error = try #require(throws: StorageError.self) { try FailureFile(path: path) }
        #expect(error.code == EEXIST)
    }

    @Test func aReportThatCannotBeWrittenIsToldSo() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/rank-3.failure"
        let file = try FailureFile(path: path)
        try redirect(path, to: "/dev/full", O_WRONLY)
        #expect(!file.write(report("x")))
    }

    @Test(.enabled(if: SmallDisk.isPossible, "a small disk can be mounted by root only"))
    func theReportFitsOnAFullDisk() throws {
        let disk = try SmallDisk()
        let path = disk.path + "/rank-3.failure"
        let file = try FailureFile(path: path)
        try disk.fill()
        #expect(file.write(report("disk full")))
        #expect(try WireJSON.decode(FailureReport.self, from: disk.folder.bytes(of: path)) == report("disk full"))

        let error = try #require(throws: StorageError.self) { try FailureFile(path: disk.path + "/rank-4.failure") }
        #expect(error.code == ENOSPC)
    }
}
