// SPDX-License-Identifier: Apache-2.0

/// The fixed part of a record of data: `u16 edge | u64 datum id | u64 key hash | u32 length`, little-endian, before the
/// pickled value (`docs/worker-protocol.md`).
package struct Record: Sendable, Hashable {
    package static let headerSize = 22

    package var edge: Int
    package var datum: UInt64
    package var keyHash: UInt64
    package var valueLength: Int

    package init(edge: Int, datum: UInt64, keyHash: UInt64, valueLength: Int) {
        self.edge = edge
        self.datum = datum
        self.keyHash = keyHash
        self.valueLength = valueLength
    }

    init(header: UnsafeRawBufferPointer) {
        edge = Int(header.loadLittleEndian(UInt16.self, at: 0))
        datum = header.loadLittleEndian(UInt64.self, at: 2)
        keyHash = header.loadLittleEndian(UInt64.self, at: 10)
        valueLength = Int(header.loadLittleEndian(UInt32.self, at: 18))
    }

    package func encode(value: some Collection<UInt8>, into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(UInt16(edge))
        bytes.appendLittleEndian(datum)
        bytes.appendLittleEndian(keyHash)
        bytes.appendLittleEndian(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    /// Calls `body` with each of the `count` records that `bytes` consist of, and with the record's own bytes.
    package static func forEach(
        in bytes: UnsafeRawBufferPointer, count: Int, _ body: (Record, UnsafeRawBufferPointer) throws(StreamViolation) -> Void
    ) throws(StreamViolation) {
        var offset = 0
        for _ in 0..<count {
            guard bytes.count - offset >= headerSize else { throw StreamViolation("records end in the middle of a header") }
            let record = Record(header: UnsafeRawBufferPointer(rebasing: bytes[offset...]))
            let end = offset + headerSize + record.valueLength
            guard end <= bytes.count else { throw StreamViolation("records end in the middle of a value") }
            try body(record, UnsafeRawBufferPointer(rebasing: bytes[offset..<end]))
            offset = end
        }
        guard offset == bytes.count else { throw StreamViolation("\(bytes.count - offset) bytes follow the last of \(count) records") }
    }
}

extension UnsafeRawBufferPointer {
    /// The integer that starts at `offset`; the caller has checked that it lies within.
    package func loadLittleEndian<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
        T(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
}

extension [UInt8] {
    package mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
