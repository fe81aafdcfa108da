// SPDX-License-Identifier: Apache-2.0

/// How far numbers lie apart, in steps of 256: what the runs of the database are found by.
enum Span {
    /// The least level for which so many numbers are no more than 256 ^ level.
    static func level(from first: Int64, to last: Int64) -> Int {
        let distance = UInt64(bitPattern: last &- first)
        return (64 - distance.leadingZeroBitCount + 7) / 8
    }

    /// SQL: each level, and how far before a number a span of that level that holds it may begin.
    static let levels =
        "(VALUES "
        + (0...8).map { "(\($0), \($0 == 8 ? Int64.max : (1 << (8 * $0)) - 1)::bigint)" }.joined(separator: ", ")
        + ") AS span (level, reach)"
}

/// Neighbours in a list that are stored together: as offsets from the least of them.
struct OffsetPiece {
    var range: Range<Int>
    var first: Int64
    var last: Int64
    var offsets: [Int32]

    /// So that looking one up stays cheap, and so that pieces span little: data of two producers are always in two.
    private static let maximumCount = 1024

    /// - Parameter values: of 63 bits.
    static func cut(_ values: [UInt64]) -> [OffsetPiece] {
        var pieces: [OffsetPiece] = []
        var start = 0
        while start < values.count {
            var (least, greatest) = (values[start], values[start])
            var end = start + 1
            while end < values.count, end - start < maximumCount {
                let (lower, upper) = (min(least, values[end]), max(greatest, values[end]))
                guard upper - lower <= UInt64(Int32.max) else { break }
                (least, greatest) = (lower, upper)
                end += 1
            }
            pieces.append(
                OffsetPiece(
                    range: start..<end, first: Int64(least), last: Int64(greatest),
                    offsets: values[start..<end].map { Int32($0 - least) }))
            start = end
        }
        return pieces
    }
}
