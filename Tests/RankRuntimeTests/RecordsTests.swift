// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Provenance
import Testing
import WorkflowModel

@testable import RankRuntime

private let millisecond: Int64 = 1_000_000

private func line(_ text: String) -> SegmentRecord { .log(at: 1, instance: nil, stream: .stdout, text: text) }

@Suite struct SegmentFileTests {
    let folder: TemporaryFolder
    let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path + "/rank-0.segment"
    }

    func open() throws -> SegmentFile { try SegmentFile(path: path, run: run, attempt: 2, rank: 0) }

    /// What a reader finds now, which must be whole frames.
    func read(_ path: String? = nil) throws -> SegmentChunk {
        let bytes = try folder.bytes(of: path ?? self.path)
        let chunk = try SegmentDecoder(run: run, attempt: 2, rank: 0).decode(bytes, at: 0)
        #expect(chunk.offset == Int64(bytes.count), "the file ends with a whole frame")
        return chunk
    }

    @Test(arguments: 0..<20) func atAnyTimeTheFileHoldsWholeFramesInOrder(seed: UInt64) throws {
        var numbers = Numbers(state: seed)
        var file = try open()
        var written: [SegmentRecord] = []
        var now: Int64 = 0
        for number in 0..<200 {
            let length = Int.random(in: 0...(Int.random(in: 0..<50, using: &numbers) == 0 ? 100_000 : 100), using: &numbers)
            let record = line("\(number)" + String(repeating: "漢", count: length / 3))
            try file.append(record, now: now)
            written.append(record)
            now += Int64.random(in: 0...20, using: &numbers) * millisecond
            try file.tick(now)
            if number % 40 == 0 {
                let chunk = try read()
                #expect(chunk.records == Array(written.prefix(chunk.records.count)))
                #expect(!chunk.ended)
            }
        }
        try file.end()
        let chunk = try read()
        #expect(chunk.records == written)
        #expect(chunk.ended)
    }

    @Test func aFrameIsWrittenByAgeOrBySize() throws {
        var file = try open()
        try file.append(line("young"), now: 5 * millisecond)
        try file.tick(104 * millisecond)
        #expect(try read().records.isEmpty)
        try file.tick(105 * millisecond)
        #expect(try read().records.count == 1)
        try file.append(line(String(repeating: "x", count: 64 << 10)), now: 106 * millisecond)
        #expect(try read().records.count == 2)
    }

    @Test func recordsOfAWorkerGoThroughAsTheyAre() throws {
        var bytes: [UInt8] = []
        for text in ["a", "b"] { line(text).encode(into: &bytes) }
        var file = try open()
        try file.append([], now: 0)
        try file.append(bytes, now: 0)
        try file.end()
        #expect(try read().records == [line("a"), line("b")])
    }

    @Test func moreThanAFrameHoldsIsRefused() throws {
        var file = try open()
        try file.append(line("kept"), now: 0)
        let error = #expect(throws: RecordsTooLarge.self) {
            try file.append([UInt8](repeating: 0, count: SegmentFormat.maximumPayload + 1), now: 0)
        }
        #expect(error?.size == SegmentFormat.maximumPayload + 1)
        try file.end()
        #expect(try read().records == [line("kept")])
    }

    @Test func aSegmentIsNeverOverwritten() throws {
        _ = try open()
        let error = try #require(throws: StorageError.self) { try open() }
        #expect(error.code == EEXIST)
    }

    @Test(
        arguments: [
            ("/dev/full", O_WRONLY, "disk full: cannot write", "No space left on device"),
            ("/dev/null", O_RDONLY, "cannot write", "Bad file descriptor"),
        ])
    func aFailedWriteIsAStorageFailure(target: String, flags: Int32, beginning: String, reason: String) throws {
        var file = try open()
        try redirect(path, to: target, flags)
        try file.append(line("lost"), now: 0)
        let error = try #require(throws: StorageError.self) { try file.tick(100 * millisecond) }
        let reporter = FailureReporter(identity: RankIdentity(rank: 0), document: document)
        let report = reporter.report(error)
        #expect(report.cause == .storage)
        #expect(report.message == "\(beginning) \(path): \(reason) (\(reporter.identity.place))")
    }

    @Test(.enabled(if: SmallDisk.isPossible, "a small disk can be mounted by root only"))
    func aFrameThatFindsTheDiskFullLeavesNoHalf() throws {
        let disk = try SmallDisk()
        let path = disk.path + "/rank-0.segment"
        var file = try SegmentFile(path: path, run: run, attempt: 2, rank: 0)
        try file.append(line("before"), now: 0)
        try file.flush()
        try disk.fill(butFor: 8 << 10)
        let long = line(String(repeating: "x", count: 20 << 10))
        try file.append(long, now: 0)
        let error = try #require(throws: StorageError.self) { try file.flush() }
        #expect(error.code == ENOSPC)
        #expect(try read(path).records == [line("before")])
        // The rank saves what it can at its end.
        try disk.clear()
        try file.flush()
        #expect(try read(path).records == [line("before"), long])
    }
}

@Suite struct RankRecordsTests {
    let temporary: TemporaryFolder
    let folder: RunFolder
    let identity = RankIdentity(rank: 0)

    init() throws {
        temporary = try TemporaryFolder()
        folder = RunFolder(path: temporary.path)
        try FileManager.default.createDirectory(atPath: folder.ranks, withIntermediateDirectories: true)
    }

    func log() throws -> [Substring] {
        String(decoding: try temporary.bytes(of: folder.log(rank: 0)), as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
    }

    func segment() throws -> SegmentChunk {
        try SegmentDecoder(run: run, attempt: 2, rank: 0).decode(temporary.bytes(of: folder.segment(rank: 0)), at: 0)
    }

    @Test func linesAreInTheSegmentAndReadableInTheLog() throws {
        var records = try RankRecords(document: document, folder: folder, identity: identity)
        try records.add(.started, worker: 0, pid: 4711)
        try records.add(line: "grüße 漢\u{FFFD}", worker: 0, instance: 0, stream: .stdout)
        try records.add(line: "", worker: 2, instance: 3, stream: .stderr)
        try records.add(line: "free(): invalid pointer", worker: 0, instance: nil, stream: .stderr)
        try records.add(line: "no such instance", worker: 1, instance: 99, stream: .stdout)
        try records.end()

        let lines = try log()
        #expect(lines.count == 5 && lines.last == "")
        for line in lines.dropLast() { #expect(line.prefixMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\s/) != nil) }
        #expect(
            lines.map { $0.drop { $0 != " " } } == [
                " Split1[0] stdout grüße 漢\u{FFFD}", " Sum3[1] stderr ", " worker 0 (Split1, Count2) stderr free(): invalid pointer",
                " worker 1 (Sum3) stdout no such instance", "",
            ])

        let chunk = try segment()
        #expect(chunk.ended)
        let texts = chunk.records.map { record in
            switch record {
            case .log(let at, let instance, let stream, let text):
                "\(abs(Clock.wall - at) < 60_000 * millisecond) \(instance ?? -1) \(stream) \(text)"
            case .worker(_, let worker, let event, let pid, let node): "\(worker) \(event) \(pid) \(node)"
            default: "?"
            }
        }
        #expect(
            texts == [
                "0 started 4711 \(identity.node)", "true 0 stdout grüße 漢\u{FFFD}", "true 3 stderr ",
                "true -1 stderr free(): invalid pointer", "true 99 stdout no such instance",
            ])
    }

    @Test func nothingIsWrittenBeforeItsTime() throws {
        var records = try RankRecords(document: document, folder: folder, identity: identity)
        try records.add(line: "x", worker: 0, instance: 0, stream: .stdout)
        #expect(try log() == [""])
        try records.tick(Clock.monotonic + 100 * millisecond)
        #expect(try log().count == 2)
        #expect(try segment().records.count == 1)
    }

    @Test func afterAFailureWhatWasRecordedIsSavedAndTheFailureStandsLast() throws {
        var records = try RankRecords(document: document, folder: folder, identity: identity)
        try records.add(line: "before", worker: 0, instance: 0, stream: .stdout)
        records.close(
            FailureReport(
                cause: .exception, message: "Sum3 raised ValueError", at: .now, element: "Sum3", traceback: "Traceback\nValueError"))
        #expect(try log().suffix(4).map { $0.drop { $0 != " " } } == [" Sum3 stderr Sum3 raised ValueError", "", "", ""])
        #expect(try log().suffix(3) == ["Traceback", "ValueError", ""])
        let chunk = try segment()
        #expect(chunk.records.count == 1)
        #expect(!chunk.ended, "a rank that failed has not said all it had to say")
    }

    @Test func aFullDiskUnderTheSegmentStillLetsTheLogBeSaved() throws {
        var records = try RankRecords(document: document, folder: folder, identity: identity)
        try records.add(line: "before", worker: 0, instance: 0, stream: .stdout)
        try redirect(folder.segment(rank: 0), to: "/dev/full", O_WRONLY)
        let error = try #require(throws: StorageError.self) { try records.tick(Clock.monotonic + 100 * millisecond) }
        #expect(error.path == folder.segment(rank: 0))
        records.close(FailureReporter(identity: identity, document: document).report(error))
        #expect(try log().count == 3)
        #expect(try log()[1].contains(" rank 0 stderr disk full: cannot write \(folder.segment(rank: 0))"))
    }

    @Test func aFolderThatIsNotThereIsNamed() throws {
        let nowhere = RunFolder(path: temporary.path + "/gone")
        let error = try #require(throws: StorageError.self) {
            try RankRecords(document: document, folder: nowhere, identity: identity)
        }
        #expect(error.path == nowhere.segment(rank: 0))
        #expect(error.reason == "No such file or directory")
    }
}
