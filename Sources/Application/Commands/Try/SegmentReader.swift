// SPDX-License-Identifier: Apache-2.0

import CPosix
import Glibc
import Provenance
import WorkflowModel

/// Reads the segment of a rank while it is written.
struct SegmentReader {
    private static let chunk = 1 << 20
    private static let maximumChunk = 17 << 20

    private let path: String
    private let decoder: SegmentDecoder
    private var file: Int32 = -1
    private var offset: Int64 = 0
    private(set) var hasEnded = false

    init(run: RunID, rank: Int, folder: RunFolder) {
        path = folder.segment(rank: rank)
        decoder = SegmentDecoder(run: run, attempt: 1, rank: rank)
    }

    /// Records that have become whole since the last call, a share of them; empty when there are none.
    mutating func next() throws -> [SegmentRecord] {
        if hasEnded { return [] }
        if file < 0 { file = open(path, O_RDONLY | O_CLOEXEC) }
        var status = weft_file_status()
        guard file >= 0, weft_status_of_descriptor(file, &status) == 0, status.size > offset else { return [] }
        for limit in [Self.chunk, Self.maximumChunk] {
            let bytes = [UInt8](unsafeUninitializedCapacity: min(limit, Int(status.size) - Int(offset))) { buffer, count in
                count = max(0, pread(file, buffer.baseAddress, buffer.count, off_t(offset)))
            }
            let part = try decoder.decode(bytes, at: offset)
            guard part.offset > offset else {
                if bytes.count < limit { return [] }
                continue
            }
            offset = part.offset
            hasEnded = part.ended
            if hasEnded { close(file) }
            return part.records
        }
        throw SegmentError(offset: offset, reason: "a frame is not whole within \(Self.maximumChunk) bytes")
    }
}
