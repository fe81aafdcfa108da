// SPDX-License-Identifier: Apache-2.0

import Postgres
import WorkflowModel

extension Row {
    /// A document in a column of type `json`.
    func json<Value: Decodable>(_ column: String, as type: Value.Type = Value.self) throws -> Value {
        try WireJSON.decode(type, from: try value(column, as: String.self).utf8)
    }

    func optionalJSON<Value: Decodable>(_ column: String, as type: Value.Type = Value.self) throws -> Value? {
        try optional(column, as: String.self).map { try WireJSON.decode(type, from: $0.utf8) }
    }

    /// A case by its raw value.
    func name<Value: RawRepresentable<String>>(_ column: String, as: Value.Type = Value.self) throws -> Value {
        let text: String = try value(column)
        guard let value = Value(rawValue: text) else { throw StorageError.corrupt("'\(text)' as \(Value.self)") }
        return value
    }

    func optionalName<Value: RawRepresentable<String>>(_ column: String, as type: Value.Type = Value.self) throws -> Value? {
        try optional(column, as: String.self) == nil ? nil : try name(column)
    }

    func runID(_ column: String) throws -> RunID {
        guard let id = RunID(bytes: try value(column)) else { throw StorageError.corrupt("a run id that has not 16 bytes") }
        return id
    }

    func datumID(_ column: String) throws -> DatumID { DatumID(rawValue: UInt64(bitPattern: try value(column))) }

    /// From the columns `namespace`, `name` and `version`.
    func reference() throws -> Reference {
        Reference(namespace: try value("namespace"), name: try value("name"), version: try value("version"))
    }
}

extension PostgresValue {
    static func json(_ value: some Encodable) throws -> PostgresValue {
        .text(String(decoding: try WireJSON.encode(value), as: UTF8.self))
    }

    static func optionalJSON(_ value: (some Encodable)?) throws -> PostgresValue { try value.map { try .json($0) } ?? .null }

    static func double(_ value: Double) -> PostgresValue { .text(String(value)) }

    static func doubles(_ values: [Double]) -> PostgresValue { .texts(values.map { String($0) }) }

    static func uuid(_ run: RunID) -> PostgresValue { .uuid(run.bytes) }

    static func datum(_ datum: DatumID) -> PostgresValue { .int(Int64(datum)) }

    static func names(_ values: some Sequence<RunState>) -> PostgresValue { .texts(values.map(\.rawValue)) }
}

/// A column of type `integer[]` or `bigint[]` without nulls.
struct IntegerList: PostgresDecodable {
    static var postgresName: String { "a list of integers" }
    var values: [Int64] = []

    init?(postgresText text: UnsafeBufferPointer<UInt8>) {
        guard text.first == UInt8(ascii: "{"), text.last == UInt8(ascii: "}") else { return nil }
        var start = 1
        for index in 1..<text.count where text[index] == UInt8(ascii: ",") || index == text.count - 1 {
            defer { start = index + 1 }
            if start == index, text.count == 2 { return }
            guard let value = Int64(postgresText: UnsafeBufferPointer(rebasing: text[start..<index])) else { return nil }
            values.append(value)
        }
    }
}

extension Int64 {
    /// Datum ids have 63 bits.
    init(_ datum: DatumID) { self.init(bitPattern: datum.rawValue) }
}
