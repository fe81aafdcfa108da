// SPDX-License-Identifier: Apache-2.0

internal import CPostgres
package import FoundationEssentials

/// The rows that a statement returned, with columns by name.
package final class Rows {
    private let result: OpaquePointer
    private let columns: [String: CInt]

    /// Takes the result over.
    init(_ result: OpaquePointer) {
        self.result = result
        columns = Dictionary(
            (0..<PQnfields(result)).compactMap { column in PQfname(result, column).map { (String(cString: $0), column) } },
            uniquingKeysWith: { first, _ in first })
    }

    deinit { PQclear(result) }

    /// Rows that an INSERT, UPDATE or DELETE touched.
    package var affected: Int { PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0 }

    fileprivate func text(row: Int, column: String) throws(PostgresError) -> UnsafeBufferPointer<UInt8>? {
        guard let index = columns[column] else {
            throw PostgresError(.value, "the result has no column '\(column)'; it has \(columns.keys.sorted().joined(separator: ", "))")
        }
        guard PQgetisnull(result, CInt(row), index) == 0, let value = PQgetvalue(result, CInt(row), index) else { return nil }
        let length = Int(PQgetlength(result, CInt(row), index))
        return UnsafeRawBufferPointer(start: value, count: length).bindMemory(to: UInt8.self)
    }
}

extension Rows: RandomAccessCollection {
    package var startIndex: Int { 0 }
    package var endIndex: Int { Int(PQntuples(result)) }
    package subscript(index: Int) -> Row { Row(rows: self, index: index) }
}

package struct Row {
    fileprivate let rows: Rows
    fileprivate let index: Int

    /// The column's value; NULL is an error.
    package func value<Value: PostgresDecodable>(_ column: String, as type: Value.Type = Value.self) throws(PostgresError) -> Value {
        guard let value = try optional(column, as: type) else {
            throw PostgresError(.value, "column '\(column)' is NULL where \(Value.postgresName) is needed")
        }
        return value
    }

    package func optional<Value: PostgresDecodable>(
        _ column: String, as: Value.Type = Value.self
    ) throws(PostgresError) -> Value? {
        guard let text = try rows.text(row: index, column: column) else { return nil }
        guard let value = Value(postgresText: text) else {
            throw PostgresError(
                .value,
                "column '\(column)' holds '\(String(decoding: text.prefix(100), as: UTF8.self))', which is not \(Value.postgresName)")
        }
        return value
    }
}

/// What can be read from a column.
package protocol PostgresDecodable {
    static var postgresName: String { get }
    init?(postgresText: UnsafeBufferPointer<UInt8>)
}

extension Int64: PostgresDecodable {
    package static var postgresName: String { "a 64-bit integer" }

    package init?(postgresText text: UnsafeBufferPointer<UInt8>) {
        let isNegative = text.first == UInt8(ascii: "-")
        let digits = text.dropFirst(isNegative ? 1 : 0)
        guard !digits.isEmpty else { return nil }
        var value: Int64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let unit = Int64(digit - UInt8(ascii: "0"))
            let (sum, carry) = product.addingReportingOverflow(isNegative ? -unit : unit)
            guard !overflow, !carry else { return nil }
            value = sum
        }
        self = value
    }
}

extension Int: PostgresDecodable {
    package static var postgresName: String { Int64.postgresName }
    package init?(postgresText text: UnsafeBufferPointer<UInt8>) {
        guard let value = Int64(postgresText: text) else { return nil }
        self = Int(value)
    }
}

extension Double: PostgresDecodable {
    package static var postgresName: String { "a floating-point number" }
    package init?(postgresText text: UnsafeBufferPointer<UInt8>) {
        guard let value = Double(String(decoding: text, as: UTF8.self)) else { return nil }
        self = value
    }
}

extension Bool: PostgresDecodable {
    package static var postgresName: String { "a boolean" }
    package init?(postgresText text: UnsafeBufferPointer<UInt8>) {
        switch (text.count, text.first) {
        case (1, UInt8(ascii: "t")): self = true
        case (1, UInt8(ascii: "f")): self = false
        default: return nil
        }
    }
}

extension String: PostgresDecodable {
    package static var postgresName: String { "text" }
    package init?(postgresText text: UnsafeBufferPointer<UInt8>) { self = String(decoding: text, as: UTF8.self) }
}

extension Date: PostgresDecodable {
    package static var postgresName: String { "a time" }
    package init?(postgresText text: UnsafeBufferPointer<UInt8>) {
        guard let value = Timestamp.parse(text) else { return nil }
        self = value
    }
}

/// Of `bytea` and `uuid`.
extension [UInt8]: PostgresDecodable {
    package static var postgresName: String { "a byte string or uuid" }
    package init?(postgresText text: UnsafeBufferPointer<UInt8>) {
        let isByteString = text.starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "x")])
        let bytes = isByteString ? Hexadecimal.decode(text.dropFirst(2)) : Hexadecimal.decode(text.filter { $0 != UInt8(ascii: "-") })
        guard let bytes, isByteString || bytes.count == 16 else { return nil }
        self = bytes
    }
}
