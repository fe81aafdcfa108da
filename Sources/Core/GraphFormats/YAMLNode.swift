// SPDX-License-Identifier: Apache-2.0

import WorkflowModel
import Yams

/// A part of a YAML document and its line.
struct YAMLNode {
    struct SyntaxError: Error {
        var line: Int
        var reason: String
    }

    enum Content {
        case scalar(JSONValue)
        case sequence([YAMLNode])
        /// In the document's order.
        case mapping([Entry])
    }

    struct Entry {
        var key: String
        var line: Int
        var value: YAMLNode
    }

    private static let maximumDepth = 64
    /// Anchors and aliases can make a short text stand for a huge document.
    private static let maximumNodes = 100_000

    var content: Content
    var line: Int

    static func parse(_ text: String) throws(SyntaxError) -> YAMLNode {
        let node: Node?
        do { node = try compose(yaml: text) } catch let error as YamlError { throw describe(error) } catch {
            throw SyntaxError(line: 1, reason: "\(error)")
        }
        guard let node else { throw SyntaxError(line: 1, reason: "the document is empty: write 'elements' and 'edges'") }
        var count = 0
        return try convert(node, depth: 0, count: &count)
    }

    private static func convert(_ node: Node, depth: Int, count: inout Int) throws(SyntaxError) -> YAMLNode {
        let line = node.mark?.line ?? 1
        count += 1
        guard depth <= maximumDepth, count <= maximumNodes else {
            throw SyntaxError(line: line, reason: "the document is nested too deeply, or too large with its aliases")
        }
        switch node {
        case .scalar(let scalar): return YAMLNode(content: .scalar(value(scalar)), line: line)
        case .sequence(let sequence):
            var items: [YAMLNode] = []
            for item in sequence { items.append(try convert(item, depth: depth + 1, count: &count)) }
            return YAMLNode(content: .sequence(items), line: line)
        case .mapping(let mapping):
            var entries: [Entry] = []
            for (key, value) in mapping {
                let keyLine = key.mark?.line ?? line
                guard let name = key.scalar?.string else { throw SyntaxError(line: keyLine, reason: "a key must be text") }
                entries.append(Entry(key: name, line: keyLine, value: try convert(value, depth: depth + 1, count: &count)))
            }
            return YAMLNode(content: .mapping(entries), line: line)
        case .alias: throw SyntaxError(line: line, reason: "an alias refers to nothing")
        }
    }

    /// By the core schema of YAML 1.2: `no` and `on` are text.
    private static func value(_ scalar: Node.Scalar) -> JSONValue {
        let text = scalar.string
        guard scalar.style == .plain || scalar.style == .any else { return .string(text) }
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: break
        }
        let digits = text.drop { "+-".contains($0) }
        guard let first = digits.first, first.isASCII, first.isNumber || first == ".",
            text.allSatisfy({ $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) })
        else { return .string(text) }
        if let integer = Int64(text) { return .integer(integer) }
        return Double(text).map { .number($0) } ?? .string(text)
    }

    private static func describe(_ error: YamlError) -> SyntaxError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            SyntaxError(line: mark.line, reason: "this is no YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            SyntaxError(line: context.mark.line, reason: "'\(duplicates.first.map { "\($0)" } ?? "a key")' stands twice in one mapping")
        default: SyntaxError(line: 1, reason: "this is no YAML: \(error)")
        }
    }

    var json: JSONValue {
        switch content {
        case .scalar(let value): value
        case .sequence(let items): .array(items.map(\.json))
        case .mapping(let entries): .object(Dictionary(entries.map { ($0.key, $0.value.json) }, uniquingKeysWith: { $1 }))
        }
    }

    var string: String? { if case .scalar(.string(let text)) = content { text } else { nil } }
    var sequence: [YAMLNode]? { if case .sequence(let items) = content { items } else { nil } }
    var mapping: [Entry]? { if case .mapping(let entries) = content { entries } else { nil } }
}
