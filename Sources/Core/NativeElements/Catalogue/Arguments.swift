// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// The parameters that an operation was given, checked. What is absent is `nil` or the given fallback.
package struct Arguments: Sendable {
    private let values: [String: JSONValue]

    init(_ values: [String: JSONValue]) { self.values = values }

    package func has(_ name: String) -> Bool { values[name] != nil }

    func text(_ name: String) -> String? { values[name]?.stringValue }

    func integer(_ name: String) -> Int? { if case .integer(let value)? = values[name] { Int(value) } else { nil } }

    func number(_ name: String) -> Double? {
        switch values[name] {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    func flag(_ name: String, else fallback: Bool) -> Bool { if case .bool(let value)? = values[name] { value } else { fallback } }

    func texts(_ name: String) -> [String]? { values[name]?.arrayValue?.compactMap(\.stringValue) }

    package func part(_ name: String) -> KeyPart? { values[name]?.part }

    package func parts(_ name: String) -> [KeyPart]? {
        guard let value = values[name] else { return nil }
        return value.arrayValue?.compactMap(\.part) ?? value.part.map { [$0] }
    }

    func expression(_ name: String) throws(NativeError) -> Expression? {
        guard let text = text(name) else { return nil }
        return try Self.parse(text)
    }

    func expressions(_ name: String) throws(NativeError) -> [(name: String, Expression)]? {
        guard let object = values[name]?.objectValue else { return nil }
        var expressions: [(String, Expression)] = []
        for (name, text) in object.sorted(by: { $0.key.precedes($1.key) }) {
            expressions.append((name, try Self.parse(text.stringValue ?? "")))
        }
        return expressions
    }

    private static func parse(_ text: String) throws(NativeError) -> Expression {
        do throws(ExpressionError) { return try Expression(text) } catch { throw NativeError("\(error): \(text)") }
    }
}
