// SPDX-License-Identifier: Apache-2.0

import Provenance
import Storage
import WorkflowModel

/// Follows the segment of one rank into the database, exactly once: where to go on is what the database says.
struct SegmentTail {
    /// Bytes read at a time; a frame larger than this is read whole.
    static let chunk = 1 << 20
    static let maximumChunk = 17 << 20

    let run: RunID
    let attempt: Int
    let rank: Int
    let path: String
    private(set) var offset: Int64
    private(set) var ended: Bool

    init(run: RunID, attempt: Int, rank: Int, path: String, offset: Int64, ended: Bool) {
        self.run = run
        self.attempt = attempt
        self.rank = rank
        self.path = path
        self.offset = offset
        self.ended = ended
    }

    /// Ingests what is whole.
    ///
    /// - Returns: whether there was anything.
    /// - Throws: `SegmentError` when the file is damaged, or what the database says.
    mutating func advance(into storage: Storage) async throws -> Bool {
        guard !ended else { return false }
        let decoder = SegmentDecoder(run: run, attempt: attempt, rank: rank)
        for limit in [Self.chunk, Self.maximumChunk] {
            let bytes = try Files.read(path, from: offset, limit: limit)
            let part = try decoder.decode(bytes, at: offset)
            guard part.offset > offset else {
                if bytes.count < limit { return false }
                continue
            }
            let taken = try await storage.ingest(
                run, attempt: attempt, rank: rank, from: offset, to: part.offset, ended: part.ended, records: part.records)
            guard taken else {
                // Another server was faster; go on where it stopped.
                let stored = try await storage.segmentOffsets(run, attempt: attempt)[rank]
                (offset, ended) = (stored?.offset ?? offset, stored?.ended ?? ended)
                return true
            }
            (offset, ended) = (part.offset, part.ended)
            return true
        }
        throw SegmentError(offset: offset, reason: "a frame is not whole within \(Self.maximumChunk) bytes")
    }
}
