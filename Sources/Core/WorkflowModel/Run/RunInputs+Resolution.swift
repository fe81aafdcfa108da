// SPDX-License-Identifier: Apache-2.0

extension RunInputs {
    /// Inputs by element id, one entry for each source.
    ///
    /// - Throws: `Problem` naming each entry that fits no source, each source without input, and each item that does not fit
    ///   its source's ports.
    package static func resolve(_ inputs: RunInputs?, for graph: WorkflowGraph) throws(Problem) -> [String: SourceInput] {
        let sources = graph.sources.map { graph.elements[$0] }
        var resolved: [String: SourceInput] = [:]
        var errors: [Problem.FieldError] = []
        switch inputs ?? .iterations(1) {
        case .iterations(let count):
            for source in sources { resolved[source.id] = .count(count) }
        case .byElement(let entries):
            for (key, input) in entries.sorted(by: { $0.key < $1.key }) {
                let pointer = "/inputs/\(key)"
                let matches = graph.elements.filter { $0.id == key }.nonEmpty ?? graph.elements.filter { $0.name == key }
                let fed = sources.filter { source in matches.contains { $0.id == source.id } }
                if matches.isEmpty {
                    errors.append(.init(pointer, "no PE is called '\(key)'; the sources are \(names(sources))"))
                } else if fed.isEmpty {
                    errors.append(.init(pointer, "'\(key)' is not a source, it reads from other PEs; the sources are \(names(sources))"))
                } else if fed.count > 1 {
                    errors.append(.init(pointer, "\(fed.count) sources are called '\(key)'; use their ids: \(names(fed))"))
                } else if resolved.updateValue(input, forKey: fed[0].id) != nil {
                    errors.append(.init(pointer, "source \(fed[0].id) is given input twice, by name and by id"))
                }
            }
            for source in sources where resolved[source.id] == nil && errors.isEmpty {
                errors.append(.init("/inputs", "source \(source.id) is given no input; add \"\(source.id)\": [ … ] or a count"))
            }
        }
        for source in sources {
            guard let input = resolved[source.id] else { continue }
            errors += check(input, for: source)
        }
        guard errors.isEmpty else { throw Problem(.invalid, "The inputs do not fit the graph.", errors: errors) }
        return resolved
    }

    private static func check(_ input: SourceInput, for source: ProcessElement) -> [Problem.FieldError] {
        let ports = source.inputs.map(\.name)
        switch input {
        case .count(let count):
            if count < 0 || count > 1 << 40 { return [.init("/inputs/\(source.id)", "\(count) is not a number of items")] }
            if count > 0, !ports.isEmpty {
                return [
                    .init(
                        "/inputs/\(source.id)",
                        "\(source.id) reads its input port\(ports.count > 1 ? "s" : "") \(ports.joined(separator: ", ")), which nothing "
                            + "feeds: a count is not enough, give it items as [{\"\(ports[0])\": …}]")
                ]
            }
            return []
        case .items(let items):
            for (index, item) in items.enumerated() {
                guard let object = item.objectValue else {
                    return [
                        .init(
                            "/inputs/\(source.id)/\(index)",
                            "an item is an object of input port and value, as {\"\(ports.first ?? "input")\": …}")
                    ]
                }
                if !ports.isEmpty, let unknown = object.keys.sorted().first(where: { !ports.contains($0) }) {
                    return [
                        .init(
                            "/inputs/\(source.id)/\(index)/\(unknown)",
                            "\(source.id) has no input port '\(unknown)'; it has \(ports.joined(separator: ", "))")
                    ]
                }
            }
            return []
        }
    }

    private static func names(_ elements: [ProcessElement]) -> String { elements.map(\.id).joined(separator: ", ") }
}

extension Array {
    fileprivate var nonEmpty: Self? { isEmpty ? nil : self }
}
