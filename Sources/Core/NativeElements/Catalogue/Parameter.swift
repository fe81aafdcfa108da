// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// A parameter of a native operation.
package struct Parameter: Sendable {
    package enum Kind: Sendable {
        case text
        /// A file's path in which `{instance}` stands for the instance's number.
        case path
        case integer(ClosedRange<Int64>)
        case number(ClosedRange<Double>)
        case flag
        case choice([String])
        case expression
        /// Expressions by name.
        case expressions
        /// A name or index, or a list of them.
        case parts
        /// A name or index.
        case part
        /// A list of texts.
        case texts
        /// `true`, `false` or a list of texts.
        case header

        /// For people.
        package var name: String {
            switch self {
            case .text: "text"
            case .path: "path"
            case .integer(let range):
                range.upperBound == .max ? "integer from \(range.lowerBound) up" : "integer from \(range.lowerBound) to \(range.upperBound)"
            case .number(let range): "number from \(range.lowerBound) to \(range.upperBound)"
            case .flag: "true or false"
            case .choice(let names): names.map { "`\($0)`" }.joined(separator: " or ")
            case .expression: "expression"
            case .expressions: "expressions by name"
            case .parts: "field (a name or an index), or a list of fields"
            case .part: "field: a name or an index"
            case .texts: "list of texts"
            case .header: "true, false, or a list of texts"
            }
        }
    }

    package var name: String
    package var kind: Kind
    package var isRequired: Bool
    /// What it is where it is not given, for people.
    package var fallback: String?
    package var documentation: String

    init(_ name: String, _ kind: Kind, required: Bool = false, fallback: String? = nil, _ documentation: String) {
        self.name = name
        self.kind = kind
        isRequired = required
        self.fallback = fallback
        self.documentation = documentation
    }

    static let key = Parameter("key", .parts, "the datum's parts that make up its key; data of one key are taken together")
    static let field = Parameter("field", .part, fallback: "the datum itself", "the part of the datum that counts")

    /// What is wrong with the value; nil where nothing is.
    func problem(with value: JSONValue) -> String? {
        switch (kind, value) {
        case (.text, .string), (.flag, .bool), (.header, .bool): return nil
        case (.path, .string(let text)): return PathTemplate.problem(with: text)
        case (.integer(let range), .integer(let value)) where range.contains(value): return nil
        case (.number(let range), .integer(let value)) where range.contains(Double(value)): return nil
        case (.number(let range), .number(let value)) where range.contains(value): return nil
        case (.choice(let names), .string(let name)) where names.contains(name): return nil
        case (.expression, .string(let text)): return Self.problem(withExpression: text)
        case (.expressions, .object(let expressions)) where !expressions.isEmpty:
            for (name, expression) in expressions.sorted(by: { $0.key < $1.key }) {
                guard case .string(let text) = expression else { return "'\(name)' must be an expression in quotes, as \"value * 2\"" }
                if let problem = Self.problem(withExpression: text) { return "'\(name)': \(problem)" }
            }
            return nil
        case (.part, .string), (.part, .integer), (.parts, .string), (.parts, .integer): return nil
        case (.parts, .array(let parts)) where (1...64).contains(parts.count) && parts.allSatisfy { $0.part != nil }: return nil
        case (.texts, .array(let items)), (.header, .array(let items)):
            return !items.isEmpty && items.allSatisfy { $0.stringValue != nil } ? nil : "must be a list of texts"
        default: return "must be \(kind.name.first.map { "aeiou".contains($0) ? "an " : "a " } ?? "")\(kind.name)"
        }
    }

    private static func problem(withExpression text: String) -> String? {
        do throws(ExpressionError) {
            _ = try Expression(text)
            return nil
        } catch {
            return "\(error): \(text)"
        }
    }
}

extension JSONValue {
    var part: KeyPart? {
        switch self {
        case .string(let name): .name(name)
        case .integer(let index): Int(exactly: index).map { .index($0) }
        case .null, .bool, .number, .array, .object: nil
        }
    }
}
