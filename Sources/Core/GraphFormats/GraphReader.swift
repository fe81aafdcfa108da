// SPDX-License-Identifier: Apache-2.0

import NativeElements
import WorkflowModel

/// Makes the document of `graph.json` from YAML, and finds what is wrong with it.
struct GraphReader {
    private(set) var errors: [(line: Int, detail: String)] = []

    private static let kinds = ["native", "command", "python"]
    private static let settings = [
        "name", "documentation", "parameters", "inputs", "processes", "single", "stateful", "on_error", "time_limit",
        "snapshot_every",
    ]
    private static let commandSettings = ["mode", "output", "folder", "environment", "reply_within"]

    private let directory: String?
    /// By name: input and output ports; nil where only Python knows them.
    private var ports: [String: (inputs: [String], outputs: [String])?] = [:]

    init(directory: String?) { self.directory = directory }

    mutating func graph(_ root: YAMLNode) -> JSONValue {
        guard let fields = root.mapping else {
            errors.append((root.line, "a graph is a mapping with 'elements' and 'edges'"))
            return .null
        }
        var document: [String: JSONValue] = ["elements": .array([]), "edges": .array([])]
        var edges: YAMLNode?
        for field in fields {
            let (key, line, value) = (field.key, field.line, field.value)
            switch key {
            case "documentation": document[key] = text(value, key)
            case "elements": document[key] = .array(elements(value))
            case "edges": edges = value
            default: errors.append((line, "a graph has no field '\(key)'; it has documentation, elements, edges"))
            }
        }
        if ports.isEmpty, errors.isEmpty { errors.append((root.line, "the graph has no PE: list them under 'elements'")) }
        if let edges { document["edges"] = .array(self.edges(edges)) }
        return .object(document)
    }

    // MARK: Elements

    private mutating func elements(_ node: YAMLNode) -> [JSONValue] {
        guard let items = node.sequence else {
            errors.append((node.line, "'elements' must be a list, as\n  - name: Count\n    native: count"))
            return []
        }
        return items.map { element($0) }
    }

    private mutating func element(_ node: YAMLNode) -> JSONValue {
        guard let fields = node.mapping else {
            errors.append((node.line, "an element is a mapping, as {name: Count, native: count}"))
            return .null
        }
        let name = fields.first { $0.key == "name" }?.value.string ?? ""
        if name.isEmpty || name.contains(where: { $0 == "." || $0.isWhitespace }) {
            errors.append((node.line, "an element needs a 'name': text without dots and spaces"))
        } else if ports[name] != nil {
            errors.append((node.line, "two elements are called '\(name)': give one of them another name"))
        }
        let given = fields.filter { Self.kinds.contains($0.key) }
        guard given.count == 1, let kind = given.first else {
            errors.append((node.line, "element '\(name)' must have one of native, command and python, which say what it does"))
            ports[name] = .some(nil)
            return .null
        }
        let known = Self.settings + [kind.key] + (kind.key == "command" ? Self.commandSettings : [])
        var element: [String: JSONValue] = [:]
        for field in fields {
            let (key, line, value) = (field.key, field.line, field.value)
            if known.contains(key) {
                check(key, value, of: name)
                if value.json != .null { element[key] = value.json }
            } else {
                errors.append((line, "element '\(name)' has no field '\(key)'; it has \(known.joined(separator: ", "))"))
            }
        }
        switch kind.key {
        case "native": readNative(name, kind.value, fields.first { $0.key == "parameters" }?.value)
        case "command":
            ports[name] = (["input"], ["output"])
            if !isCommand(kind.value) {
                errors.append((kind.line, "element '\(name)': 'command' must be a program and its arguments, as [sort, -n]"))
            }
        default:
            ports[name] = .some(nil)
            readPython(name, kind.value, &element)
        }
        if let inputs = fields.first(where: { $0.key == "inputs" })?.value { element["inputs"] = groupings(inputs, of: name) }
        return .object(element)
    }

    private func isCommand(_ node: YAMLNode) -> Bool {
        if let words = node.sequence {
            return !words.isEmpty && words.allSatisfy { if case .scalar(let value) = $0.content { value != .null } else { false } }
        }
        return node.string?.isEmpty == false
    }

    private mutating func readNative(_ name: String, _ operation: YAMLNode, _ parameters: YAMLNode?) {
        ports[name] = .some(nil)
        guard let description = NativeCatalogue.operation(operation.string ?? "") else {
            errors.append((operation.line, "element '\(name)': \(NativeCatalogue.unknown(operation.string ?? ""))"))
            return
        }
        let values = parameters?.json.objectValue ?? [:]
        for problem in description.problems(with: values) {
            let line = parameters?.mapping?.first { $0.key == problem.parameter }?.line ?? parameters?.line ?? operation.line
            errors.append((line, "element '\(name)', parameter '\(problem.parameter)': \(problem.detail)"))
        }
        ports[name] = (description.inputs(values).map(\.name), description.outputs)
    }

    private mutating func readPython(_ name: String, _ node: YAMLNode, _ element: inout [String: JSONValue]) {
        let parts = node.string?.split(separator: ":", omittingEmptySubsequences: false) ?? []
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }) else {
            errors.append((node.line, "element '\(name)': 'python' names a file and a class in it, as fit.py:Fit"))
            return
        }
        if let directory, !parts[0].hasPrefix("/") { element["python"] = .string("\(directory)/\(parts[0]):\(parts[1])") }
    }

    /// What does not depend on the kind of the element.
    private mutating func check(_ key: String, _ node: YAMLNode, of name: String) {
        let problem: String? =
            switch (key, node.json) {
            case (_, .null): nil
            case ("processes", .integer(1...)): nil
            case ("processes", _): "must be a number of instances, 1 or more"
            case ("single", .bool), ("stateful", .bool): nil
            case ("single", _), ("stateful", _): "must be true or false"
            case ("on_error", .string(let text)) where FailurePolicy(text) != nil: nil
            case ("on_error", _): "must be fail, skip, or retry N with N from 1 to \(FailurePolicy.maximumRetries)"
            case ("time_limit", .integer(1...)), ("snapshot_every", .integer(1...)): nil
            case ("time_limit", .number(let seconds)) where seconds > 0 && seconds.isFinite: nil
            case ("snapshot_every", .number(let seconds)) where seconds > 0 && seconds.isFinite: nil
            case ("time_limit", _), ("snapshot_every", _): "must be a number of seconds"
            case ("parameters", .object): nil
            case ("parameters", _): "must be a mapping of names and values"
            default: nil
            }
        if let problem { errors.append((node.line, "element '\(name)': '\(key)' \(problem)")) }
    }

    /// Groupings as Python writes them: `all`, `global`, `round_robin`, or the list of a key's parts.
    private mutating func groupings(_ node: YAMLNode, of name: String) -> JSONValue {
        guard let entries = node.mapping else {
            errors.append((node.line, "element '\(name)': 'inputs' must map input ports to groupings, as {input: [station]}"))
            return .null
        }
        var groupings: [String: JSONValue] = [:]
        for entry in entries {
            let (port, line, value) = (entry.key, entry.line, entry.value)
            let isParts = { (parts: JSONValue?) in
                parts?.arrayValue.map {
                    !$0.isEmpty && $0.allSatisfy { if case .string = $0 { true } else if case .integer = $0 { true } else { false } }
                }
                    ?? false
            }
            switch value.json {
            case .string("all"), .string("global"), .string("round_robin"): groupings[port] = value.json
            case let parts where isParts(parts): groupings[port] = parts
            case .object(let object) where object.count == 1 && isParts(object["by_key"]): groupings[port] = object["by_key"]
            default:
                errors.append(
                    (line, "element '\(name)', input '\(port)': a grouping is all, global, round_robin, or a list of the key's fields"))
            }
            if let known = ports[name], let known, !known.inputs.contains(port) {
                errors.append((line, "element '\(name)' has no input '\(port)'; it has \(Self.list(known.inputs))"))
            }
        }
        return .object(groupings)
    }

    private mutating func text(_ node: YAMLNode, _ key: String) -> JSONValue {
        if node.string == nil { errors.append((node.line, "'\(key)' must be text")) }
        return node.json
    }

    // MARK: Edges

    private mutating func edges(_ node: YAMLNode) -> [JSONValue] {
        guard let items = node.sequence else {
            if node.json != .null { errors.append((node.line, "'edges' must be a list, as\n  - Read.output -> Count.input")) }
            return []
        }
        return items.flatMap { pairs($0) }
    }

    /// `[A, B]` is one edge, `A -> B -> C` are two.
    private mutating func pairs(_ item: YAMLNode) -> [JSONValue] {
        let ends =
            item.string.map { $0.split(separator: "->", omittingEmptySubsequences: false).map(\.trimmed) }
            ?? item.sequence?.map { $0.string ?? "" } ?? []
        let middle = ends.dropFirst().dropLast()
        guard ends.count >= 2, !ends.contains(""), middle.isEmpty || item.string != nil && !middle.contains(where: { $0.contains(".") })
        else {
            errors.append((item.line, Self.edgeForm))
            return []
        }
        return zip(ends, ends.dropFirst()).map { from, to in
            [.string(end(from, isOutput: true, item.line)), .string(end(to, isOutput: false, item.line))]
        }
    }

    private static let edgeForm =
        "an edge leads from an output to an input: write [Read.output, Count.input], Read.output -> Count.input, or Read -> Count -> Write"

    /// With its port.
    private mutating func end(_ text: String, isOutput: Bool, _ line: Int) -> String {
        let kind = isOutput ? "output" : "input"
        let dot = text.firstIndex(of: ".") ?? text.endIndex
        let name = String(text[..<dot])
        let port = dot == text.endIndex ? kind : String(text[text.index(after: dot)...])
        guard let known = ports[name] else {
            errors.append((line, "there is no element '\(name)'; there are \(Self.list(ports.keys.sorted()))"))
            return text
        }
        if let known {
            let there = isOutput ? known.outputs : known.inputs
            if !there.contains(port) { errors.append((line, "'\(name)' has no \(kind) '\(port)'; it has \(Self.list(there))")) }
        }
        return "\(name).\(port)"
    }

    private static func list(_ names: [String]) -> String { names.isEmpty ? "none" : names.joined(separator: ", ") }
}

extension Substring {
    fileprivate var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
