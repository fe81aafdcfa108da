// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// A parameter of a statement. Sent as text (byte strings in binary form); the server infers the type from the statement.
package enum PostgresValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case int(Int64)
    case text(String)
    case bytes([UInt8])
    case timestamp(Date)
    /// 16 bytes.
    case uuid([UInt8])
    case ints([Int64])
    case texts([String])
    case uuids([[UInt8]])

    package static func int(_ value: Int) -> PostgresValue { .int(Int64(value)) }
    package static func int(_ value: Int?) -> PostgresValue { value.map { .int(Int64($0)) } ?? .null }
    package static func text(_ value: String?) -> PostgresValue { value.map { .text($0) } ?? .null }
}

extension PostgresValue {
    /// The text form; `nil` for NULL and for bytes.
    var text: String? {
        switch self {
        case .null, .bytes: nil
        case .bool(let value): value ? "t" : "f"
        case .int(let value): String(value)
        case .text(let value): value
        case .timestamp(let value): Timestamp.format(value)
        case .uuid(let value): Hexadecimal.uuid(value)
        case .ints(let values): Self.array(values.map { String($0) })
        case .texts(let values): Self.array(values.map(Self.quoted))
        case .uuids(let values): Self.array(values.map(Hexadecimal.uuid))
        }
    }

    private static func array(_ elements: [String]) -> String { "{" + elements.joined(separator: ",") + "}" }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for character in text.unicodeScalars {
            if character == "\"" || character == "\\" { quoted.unicodeScalars.append("\\") }
            quoted.unicodeScalars.append(character)
        }
        return quoted + "\""
    }
}

extension [PostgresValue] {
    /// Calls `body` with libpq's parallel arrays of values, lengths and formats.
    func withParameters<Result>(
        _ body: (CInt, UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<CInt>, UnsafePointer<CInt>) -> Result
    ) throws(PostgresError) -> Result {
        var storage: [CChar] = []
        var offsets: [Int?] = []
        var lengths: [CInt] = []
        var formats: [CInt] = []
        for (index, value) in enumerated() {
            if case .bytes(let bytes) = value {
                offsets.append(storage.count)
                lengths.append(CInt(bytes.count))
                formats.append(1)
                storage += bytes.map { CChar(bitPattern: $0) }
                storage.append(0)
            } else if let text = value.text {
                offsets.append(storage.count)
                lengths.append(0)
                formats.append(0)
                let start = storage.count
                storage += text.utf8.lazy.map { CChar(bitPattern: $0) }
                guard !storage[start...].contains(0) else {
                    throw PostgresError(.value, "parameter \(index + 1) is a text with a NUL character, which PostgreSQL cannot hold")
                }
                storage.append(0)
            } else {
                offsets.append(nil)
                lengths.append(0)
                formats.append(0)
            }
        }
        return storage.withUnsafeBufferPointer { storage in
            let pointers = offsets.map { offset in offset.flatMap { storage.baseAddress?.advanced(by: $0) } }
            // One entry more than needed, so that the arrays have an address even when there is no parameter.
            return (pointers + [nil]).withUnsafeBufferPointer { pointers in
                (lengths + [0]).withUnsafeBufferPointer { lengths in
                    (formats + [0]).withUnsafeBufferPointer { formats in
                        guard let pointers = pointers.baseAddress, let lengths = lengths.baseAddress, let formats = formats.baseAddress
                        else { preconditionFailure("an array that is not empty has an address") }
                        return body(CInt(count), pointers, lengths, formats)
                    }
                }
            }
        }
    }
}
