// SPDX-License-Identifier: Apache-2.0

/// What ranks tell each other, always about one channel: the stream from worker `from` to worker `to`.
///
/// On the wire, little-endian: `u32 kind | u32 from | u32 to | u32 0 | u64 bytes`; the bytes of `data` are the weight of the
/// chunks that follow, those of `credit` what has been consumed, those of `barrier` and `part` the checkpoint's number.
package enum Message {
    case data(from: Int, to: Int, Batch)
    /// Nothing more will come on this channel.
    case end(from: Int, to: Int)
    /// What came before belongs to the checkpoint, what comes after does not.
    case barrier(from: Int, to: Int, checkpoint: UInt32)
    /// Worker `from` has taken its part of the checkpoint; `to` is a source, whose rank waits for all parts.
    case part(from: Int, to: Int, checkpoint: UInt32)
    /// The source `from` has ended or is at its last item, so that no checkpoint will be complete any more; `to` is another source.
    case sourceEnded(from: Int, to: Int)
    /// The receiving worker has consumed so many bytes.
    case credit(from: Int, to: Int, bytes: Int)

    private enum Kind: UInt32 { case data = 1, end, credit, barrier, part, sourceEnded }

    /// - Parameter bytes: a message as it arrived.
    package init(_ bytes: FixedBytes) throws(StreamViolation) {
        guard bytes.count >= Batch.headroom else { throw StreamViolation("a message of \(bytes.count) bytes") }
        let fields = UnsafeRawBufferPointer(bytes.buffer)
        let tag = fields.loadLittleEndian(UInt32.self, at: 0)
        let from = Int(fields.loadLittleEndian(UInt32.self, at: 4))
        let to = Int(fields.loadLittleEndian(UInt32.self, at: 8))
        let value = fields.loadLittleEndian(UInt64.self, at: 16)
        guard let kind = Kind(rawValue: tag) else { throw StreamViolation("a message of unknown kind \(tag)") }
        guard value <= 1 << 62 else { throw StreamViolation("a message about \(value) bytes") }
        switch kind {
        case .data: self = .data(from: from, to: to, Batch(message: bytes, weight: Int(value)))
        case .end: self = .end(from: from, to: to)
        case .credit: self = .credit(from: from, to: to, bytes: Int(value))
        case .sourceEnded: self = .sourceEnded(from: from, to: to)
        case .barrier, .part:
            guard let checkpoint = UInt32(exactly: value) else { throw StreamViolation("a message about checkpoint \(value)") }
            self =
                kind == .part
                ? .part(from: from, to: to, checkpoint: checkpoint) : .barrier(from: from, to: to, checkpoint: checkpoint)
        }
    }

    package func encoded() -> FixedBytes {
        switch self {
        case .data(let from, let to, let batch):
            _ = batch.prefix(Self.header(.data, from, to, batch.weight))
            return batch.storage
        case .end(let from, let to): return FixedBytes(Self.header(.end, from, to, 0))
        case .credit(let from, let to, let bytes): return FixedBytes(Self.header(.credit, from, to, bytes))
        case .barrier(let from, let to, let checkpoint): return FixedBytes(Self.header(.barrier, from, to, Int(checkpoint)))
        case .sourceEnded(let from, let to): return FixedBytes(Self.header(.sourceEnded, from, to, 0))
        case .part(let from, let to, let checkpoint): return FixedBytes(Self.header(.part, from, to, Int(checkpoint)))
        }
    }

    private static func header(_ kind: Kind, _ from: Int, _ to: Int, _ value: Int) -> [UInt8] {
        var header: [UInt8] = []
        header.reserveCapacity(Batch.headroom)
        for field in [kind.rawValue, UInt32(from), UInt32(to), 0] { header.appendLittleEndian(field) }
        header.appendLittleEndian(UInt64(value))
        return header
    }
}
