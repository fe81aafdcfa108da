// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// Graphs and PEs as tables and paragraphs.
enum GraphRendering {
    static func table(_ graphs: [RegisteredGraph]) -> Table {
        var table = Table("GRAPH", "OWNER", "REGISTERED", "DIGEST", "DESCRIPTION")
        for graph in graphs {
            table.append(
                "\(graph.reference.description)", "\(graph.owner)", "\(Format.time(graph.registeredAt))", "\(shortDigest(graph.digest))",
                "\(firstLine(graph.documentation))")
        }
        return table
    }

    static func describe(_ registered: RegisteredGraph) -> String {
        var fields = Fields()
        fields.add("graph", registered.reference.description)
        fields.add("digest", registered.digest)
        fields.add("owner", registered.owner)
        fields.add("registered", Format.time(registered.registeredAt))
        fields.add(
            registered.application == nil ? "module" : "program", registered.filename + (registered.attribute.map { " (\($0))" } ?? ""))
        fields.add("environment", registered.environment)
        var text = fields.render()
        if let documentation = registered.documentation, !documentation.isEmpty { text += "\n\n" + documentation.printableLines }
        guard let graph = registered.graph else { return text }
        var elements = Table("PE", "CLASS", "INPUTS", "OUTPUTS", ">PROCESSES")
        for element in graph.elements {
            elements.append(
                "\(element.id)", "\(element.className)", "\(inputs(element.inputs))", "\(names(element.outputs))",
                "\(element.single ? "1 (single)" : "\(element.processes)")")
        }
        text += "\n\n" + elements.render()
        if !graph.edges.isEmpty {
            var edges = Table("FROM", "TO")
            for edge in graph.edges { edges.append("\(edge.from).\(edge.output)", "\(edge.to).\(edge.input)") }
            text += "\n\n" + edges.render()
        }
        return text
    }

    static func table(_ elements: [RegisteredElement]) -> Table {
        var table = Table("PE", "OWNER", "INPUTS", "OUTPUTS", "DESCRIPTION")
        for element in elements {
            table.append(
                "\(element.reference.description)", "\(element.owner)", "\(inputs(element.inputs))", "\(names(element.outputs))",
                "\(firstLine(element.documentation))")
        }
        return table
    }

    static func describe(_ element: RegisteredElement) -> String {
        var fields = Fields()
        fields.add("PE", element.reference.description)
        fields.add("digest", element.digest)
        fields.add("owner", element.owner)
        fields.add("registered", Format.time(element.registeredAt))
        fields.add("inputs", inputs(element.inputs))
        fields.add("outputs", names(element.outputs))
        fields.add("used by", element.usedBy.map(\.description).joined(separator: ", "))
        let documentation = element.documentation.map { $0.isEmpty ? "" : "\n\n" + $0.printableLines } ?? ""
        return fields.render() + documentation
    }

    private static func inputs(_ ports: [InputPort]) -> String {
        names(ports.map { $0.grouping == .roundRobin ? $0.name : "\($0.name) (\($0.grouping))" })
    }

    private static func names(_ names: [String]) -> String { names.isEmpty ? "-" : names.joined(separator: ", ") }

    private static func firstLine(_ text: String?) -> String {
        Format.shortened(text?.split(separator: "\n").first.map(String.init) ?? "-", to: 60)
    }

    private static func shortDigest(_ digest: String) -> String { String(digest.split(separator: ":").last?.prefix(12) ?? "") }
}
