// SPDX-License-Identifier: Apache-2.0

internal import CPostgres

/// Builds the rows of a COPY in binary form. Each row is ``beginRow()`` and one call for each column, of the column's type.
package struct CopyBuffer: ~Copyable {
    private let connection: OpaquePointer
    private let columns: Int16
    private var bytes: [UInt8] = []
    private static let flushSize = 256 << 10

    init(connection: OpaquePointer, columns: Int) {
        self.connection = connection
        self.columns = Int16(columns)
        bytes.reserveCapacity(Self.flushSize + (64 << 10))
        bytes += Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00]
        append(Int64(0))  // flags, length of the header's extension
    }

    package mutating func beginRow() throws(PostgresError) {
        if bytes.count >= Self.flushSize { try flush() }
        append(columns)
    }

    package mutating func null() { append(Int32(-1)) }

    package mutating func smallint(_ value: Int) {
        append(Int32(2))
        append(Int16(value))
    }

    package mutating func smallint(_ value: Int?) {
        if let value { smallint(value) } else { null() }
    }

    package mutating func integer(_ value: Int) {
        append(Int32(4))
        append(Int32(value))
    }

    package mutating func bigint(_ value: Int64) {
        append(Int32(8))
        append(value)
    }

    package mutating func bigint(_ value: Int64?) {
        if let value { bigint(value) } else { null() }
    }

    package mutating func integer(_ value: Int?) {
        if let value { integer(value) } else { null() }
    }

    /// For columns of type `integer[]`.
    package mutating func integers(_ values: [Int32]?) { array(values, type: 23) }

    /// For columns of type `bigint[]`.
    package mutating func bigints(_ values: [Int64]?) { array(values, type: 20) }

    package mutating func bool(_ value: Bool) {
        append(Int32(1))
        bytes.append(value ? 1 : 0)
    }

    /// For columns of type `timestamptz`, which counts microseconds from 2000.
    package mutating func timestamp(nanosecondsSince1970 value: Int64) { bigint(value / 1000 - 946_684_800_000_000) }

    package mutating func text(_ value: String) {
        var value = value
        value.withUTF8 { text in
            append(Int32(text.count))
            bytes += text
        }
    }

    /// - Parameter type: the elements' type, by its number in `pg_type`.
    private mutating func array<Element: FixedWidthInteger>(_ values: [Element]?, type: Int32) {
        guard let values else { return null() }
        let size = MemoryLayout<Element>.size
        append(Int32(20 + values.count * (4 + size)))
        // One dimension, no nulls; how many, from index 1.
        for field in [1, 0, type, Int32(values.count), 1] { append(field) }
        for value in values {
            append(Int32(size))
            append(value)
        }
    }

    mutating func finish() throws(PostgresError) {
        append(Int16(-1))
        try flush()
    }

    private mutating func flush() throws(PostgresError) {
        let sent = bytes.withUnsafeBytes { bytes in
            PQputCopyData(connection, bytes.assumingMemoryBound(to: CChar.self).baseAddress, CInt(bytes.count))
        }
        guard sent == 1 else { throw PostgresError(connection: connection) }
        bytes.removeAll(keepingCapacity: true)
    }

    private mutating func append(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
