// SPDX-License-Identifier: Apache-2.0

import Foundation
import Yams

/// Everything that is wrong with a configuration.
package struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    package var faults: [String]
    package var description: String { faults.joined(separator: "\n") }
}

/// Reads keys from a YAML document and, stronger, from variables. It remembers which keys were asked for, so that all others
/// can be refused, and what was wrong, so that all of it can be told at once.
struct ConfigurationReader {
    private let document: Node?
    private let fileName: String
    private let variables: [String: String]
    /// In the order they were asked for.
    private(set) var keys: [String] = []
    private(set) var faults: [String] = []

    init(yaml: String, fileName: String, variables: [String: String]) {
        self.fileName = fileName
        self.variables = variables
        do {
            document = try Yams.compose(yaml: yaml)
        } catch {
            document = nil
            faults.append("\(fileName) is not YAML: \(error)")
        }
        if let document, document.mapping == nil, document.null == nil {
            faults.append("\(fileName) must be a mapping of keys to values.")
        }
    }

    static func variable(of key: String) -> String { "WEFT_" + key.uppercased().replacing(".", with: "_") }

    func isSet(_ key: String) -> Bool { source(of: key) != nil }

    // MARK: Values

    mutating func text(_ key: String) -> String? {
        read(key, "text") { $0.isEmpty ? nil : $0 }
    }

    mutating func path(_ key: String) -> String? {
        read(key, "an absolute path") { $0.hasPrefix("/") ? $0 : nil }
    }

    mutating func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
        read(key, "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    mutating func choice<T: RawRepresentable<String> & CaseIterable>(_ key: String, as type: T.Type = T.self) -> T? {
        read(key, "one of \(T.allCases.map(\.rawValue).joined(separator: ", "))") { T(rawValue: $0) }
    }

    /// A value with a structure of its own. A variable holds it as YAML text.
    mutating func structure<T: Decodable>(_ key: String, as type: T.Type = T.self) -> T? {
        keys.append(key)
        guard let source = source(of: key) else { return nil }
        do {
            let node = if case .variable(_, let text) = source { try Yams.compose(yaml: text) } else { source.node }
            return try node.map { try YAMLDecoder().decode(T.self, from: $0) }
        } catch let error as DecodingError {
            faults.append("\(place(of: key, source)): \(Self.explain(error)).")
        } catch {
            faults.append("\(place(of: key, source)): \(error)")
        }
        return nil
    }

    mutating func refuse(_ fault: String) { faults.append(fault) }

    private mutating func read<T>(_ key: String, _ expectation: String, _ convert: (String) -> T?) -> T? {
        keys.append(key)
        guard let source = source(of: key) else { return nil }
        let text: String? =
            switch source {
            case .variable(_, let text): text
            case .file(let node): node.scalar?.string
            }
        guard let text else {
            faults.append("\(place(of: key, source)) must be \(expectation), not a list or a mapping.")
            return nil
        }
        guard let value = convert(text) else {
            faults.append("\(place(of: key, source)) is '\(text)': write \(expectation).")
            return nil
        }
        return value
    }

    // MARK: Sources

    private enum Source {
        case variable(String, String)
        case file(Node)

        var node: Node? { if case .file(let node) = self { node } else { nil } }
    }

    private func source(of key: String) -> Source? {
        let variable = Self.variable(of: key)
        if let text = variables[variable] { return .variable(variable, text) }
        var node = document
        for part in key.split(separator: ".") { node = node?.mapping?[Node(String(part))] }
        return node.flatMap { $0.null == nil ? .file($0) : nil }
    }

    private func place(of key: String, _ source: Source) -> String {
        switch source {
        case .variable(let name, _): "The variable \(name) (\(key))"
        case .file(let node): place(of: key, node)
        }
    }

    private func place(of key: String, _ node: Node) -> String {
        "The key \(key) in \(fileName)" + (node.mark.map { ", line \($0.line)," } ?? "")
    }

    // MARK: Unknown keys

    private var sections: [String] {
        Set(keys.compactMap { key in key.firstIndex(of: ".").map { String(key[..<$0]) } }).sorted()
    }

    /// To be called when every key has been asked for.
    mutating func refuseUnknown() {
        if let mapping = document?.mapping { refuseUnknown(mapping, below: "") }
        let known = keys.map(Self.variable)
        let prefixes = sections.map { Self.variable(of: $0) + "_" }
        for variable in variables.keys.sorted() where variable.hasPrefix("WEFT_") && !known.contains(variable) {
            let nearest = Self.nearest(to: variable, in: known)
            // Other programs of Weft have variables too: only what looks like a key is taken for one.
            if prefixes.contains(where: variable.hasPrefix) || nearest.map({ $0.distance <= 2 }) == true {
                faults.append("The variable \(variable) is unknown" + Self.hint(nearest))
            }
        }
    }

    private mutating func refuseUnknown(_ mapping: Node.Mapping, below section: String) {
        for (name, value) in mapping {
            let key = section + (name.scalar?.string ?? "?")
            if keys.contains(key) { continue }
            if keys.contains(where: { $0.hasPrefix(key + ".") }) {
                if let inner = value.mapping {
                    refuseUnknown(inner, below: key + ".")
                } else if value.null == nil {
                    let members = keys.filter { $0.hasPrefix(key + ".") }.joined(separator: ", ")
                    faults.append("\(place(of: key, value)) must be a mapping: it holds \(members).")
                }
            } else {
                // The right word in the wrong place is the likeliest mistake.
                let moved = keys.first { $0.hasSuffix(".\(key)") }.map { Neighbour($0, 0) }
                faults.append("\(place(of: key, name)) is unknown" + Self.hint(moved ?? Self.nearest(to: key, in: keys + sections)))
            }
        }
    }

    private typealias Neighbour = (text: String, distance: Int)

    private static func hint(_ nearest: Neighbour?) -> String {
        nearest.map { ": did you mean \($0.text)?" } ?? "; docs/configuration.md lists those there are."
    }

    /// The most alike, unless more than half of it differs.
    private static func nearest(to text: String, in known: [String]) -> Neighbour? {
        known.map { ($0, distance(text, $0)) }.filter { $0.1 * 2 <= text.count }.min { $0.1 < $1.1 }
    }

    /// Levenshtein's: letters to insert, remove or replace.
    private static func distance(_ a: String, _ b: String) -> Int {
        let b = Array(b.utf8)
        var row = Array(0...b.count)
        for (i, letter) in a.utf8.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                (diagonal, row[j + 1]) = (row[j + 1], min(row[j + 1] + 1, row[j] + 1, diagonal + (letter == b[j] ? 0 : 1)))
            }
        }
        return row[b.count]
    }

    private static func explain(_ error: DecodingError) -> String {
        func place(_ path: [any CodingKey]) -> String {
            let text = path.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
            return text.isEmpty ? "" : "\(text.first == "." ? String(text.dropFirst()) : text) "
        }
        return switch error {
        case .keyNotFound(let key, let context): "\(place(context.codingPath + [key]))is needed"
        case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
            "\(place(context.codingPath))must be of the type \(type)"
        case .dataCorrupted(let context): place(context.codingPath) + context.debugDescription
        @unknown default: "\(error)"
        }
    }
}
