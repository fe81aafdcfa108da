// SPDX-License-Identifier: Apache-2.0

import Provenance
import WorkflowModel

/// All that a rank writes down while it runs: its segment and its log.
struct RankRecords {
    private let document: RunDocument
    private let identity: RankIdentity
    private var segment: SegmentFile
    private var log: TextLog

    init(document: RunDocument, folder: RunFolder, identity: RankIdentity) throws(StorageError) {
        self.document = document
        self.identity = identity
        segment = try SegmentFile(
            path: folder.segment(rank: identity.rank), run: document.run, attempt: document.attempt, rank: identity.rank)
        log = try TextLog(path: folder.log(rank: identity.rank))
    }

    mutating func add(_ records: [UInt8]) throws { try segment.append(records, now: Clock.monotonic) }

    mutating func add(_ all: [SegmentRecord]) throws {
        var bytes: [UInt8] = []
        for record in all { record.encode(into: &bytes) }
        try add(bytes)
    }

    mutating func add(_ event: WorkerEvent, worker: Int, pid: Int32) throws {
        try segment.append(
            .worker(at: Clock.wall, worker: worker, event: event, pid: pid, node: identity.node), now: Clock.monotonic)
    }

    mutating func add(line text: String, worker: Int, instance: Int?, stream: LogLine.Stream) throws {
        try add(line: text, from: document.speaker(worker: worker, instance: instance), instance: instance, stream: stream)
    }

    mutating func add(line text: String, from speaker: String, instance: Int? = nil, stream: LogLine.Stream = .stderr) throws {
        let (wall, now) = (Clock.wall, Clock.monotonic)
        try segment.append(.log(at: wall, instance: instance, stream: stream, text: text), now: now)
        try log.append(text, from: speaker, stream: stream, at: wall, now: now)
    }

    mutating func tick(_ now: Int64) throws(StorageError) {
        try segment.tick(now)
        try log.tick(now)
    }

    /// - Returns: bytes of the segment, all of which are on the disk.
    mutating func sync() throws(StorageError) -> Int64 { try segment.sync() }

    mutating func end() throws(StorageError) {
        try segment.end()
        try log.flush()
    }

    /// Saves what can be saved, with the failure in the log; nothing can be done about a file that cannot be written.
    mutating func close(_ failure: FailureReport?) {
        try? segment.flush()
        if let failure {
            let text = [failure.message, failure.traceback].compactMap(\.self).joined(separator: "\n")
            try? log.append(text, from: failure.element ?? "rank \(identity.rank)", stream: .stderr, at: Clock.wall, now: 0)
        }
        try? log.flush()
    }
}
