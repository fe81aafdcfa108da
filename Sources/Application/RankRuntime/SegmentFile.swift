// SPDX-License-Identifier: Apache-2.0

import Provenance
import WorkflowModel

/// The rank's segment (`docs/segment-format.md`): records are gathered into frames, and a frame is written at 64 KiB or at
/// 100 ms of age.
struct SegmentFile {
    private static let frameBytes = 64 << 10
    private static let frameAge: Int64 = 100_000_000

    private var file: AppendFile
    private var payload: [UInt8] = []
    private var begunAt: Int64 = 0

    init(path: String, run: RunID, attempt: Int, rank: Int) throws(StorageError) {
        file = try AppendFile(creating: path)
        try file.append(SegmentEncoder(run: run, attempt: attempt, rank: rank).header())
    }

    mutating func append(_ record: SegmentRecord, now: Int64) throws {
        var bytes: [UInt8] = []
        record.encode(into: &bytes)
        try append(bytes, now: now)
    }

    /// - Parameter records: whole records.
    mutating func append(_ records: [UInt8], now: Int64) throws {
        guard !records.isEmpty else { return }
        guard records.count <= SegmentFormat.maximumPayload else {
            throw RecordsTooLarge(size: records.count)
        }
        if payload.count + records.count > SegmentFormat.maximumPayload { try flush() }
        if payload.isEmpty { begunAt = now }
        payload += records
        if payload.count >= Self.frameBytes { try flush() }
    }

    /// Writes what has waited for long enough.
    mutating func tick(_ now: Int64) throws(StorageError) {
        if !payload.isEmpty, begunAt + Self.frameAge <= now { try flush() }
    }

    mutating func flush() throws(StorageError) {
        guard !payload.isEmpty else { return }
        try file.append(SegmentEncoder.frame(payload))
        payload.removeAll(keepingCapacity: true)
    }

    /// Brings everything to the disk.
    /// - Returns: bytes of the segment.
    mutating func sync() throws(StorageError) -> Int64 {
        try flush()
        try file.sync()
        return Int64(file.size)
    }

    /// The rank has nothing more to say.
    mutating func end() throws(StorageError) {
        try flush()
        try file.append(SegmentEncoder.end)
    }
}

/// One piece of provenance is larger than a frame of a segment may be.
struct RecordsTooLarge: Error {
    let size: Int
}
