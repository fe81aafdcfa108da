// SPDX-License-Identifier: Apache-2.0

/// What ranks tell each other, always about one channel: the stream from worker `from` to worker `to`.
///
/// On the wire, little-endian: `u32 kind | u32 from | u32 to | u32 value`; the value of `data` is the count of the records that
/// follow, the value of `credit` a number of bytes.
package enum Message: Sendable, Hashable {
    case data(from: Int, to: Int, Batch)
    /// Nothing more will come on this channel.
    case end(from: Int, to: Int)
    /// The receiving worker has consumed so many bytes.
    case credit(from: Int, to: Int, bytes: Int)

    private enum Kind: UInt32 { case data = 1, end, credit }

    /// - Parameter bytes: a message as it arrived.
    package init(_ bytes: [UInt8]) throws(StreamViolation) {
        guard bytes.count >= Batch.headroom else { throw StreamViolation("a message of \(bytes.count) bytes") }
        let (tag, from, to, value) = bytes.withUnsafeBytes {
            (
                $0.loadLittleEndian(UInt32.self, at: 0), Int($0.loadLittleEndian(UInt32.self, at: 4)),
                Int($0.loadLittleEndian(UInt32.self, at: 8)), Int($0.loadLittleEndian(UInt32.self, at: 12))
            )
        }
        guard let kind = Kind(rawValue: tag) else { throw StreamViolation("a message of unknown kind \(tag)") }
        switch kind {
        case .data: self = .data(from: from, to: to, Batch(message: bytes, count: value))
        case .end: self = .end(from: from, to: to)
        case .credit: self = .credit(from: from, to: to, bytes: value)
        }
    }

    package consuming func encoded() -> [UInt8] {
        switch self {
        case .data(let from, let to, let batch): batch.prefixed(by: Self.header(.data, from, to, batch.count)).bytes
        case .end(let from, let to): Self.header(.end, from, to, 0)
        case .credit(let from, let to, let bytes): Self.header(.credit, from, to, bytes)
        }
    }

    private static func header(_ kind: Kind, _ from: Int, _ to: Int, _ value: Int) -> [UInt8] {
        var header: [UInt8] = []
        header.reserveCapacity(Batch.headroom)
        for field in [kind.rawValue, UInt32(from), UInt32(to), UInt32(value)] { header.appendLittleEndian(field) }
        return header
    }
}
