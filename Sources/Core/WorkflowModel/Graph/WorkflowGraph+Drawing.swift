// SPDX-License-Identifier: Apache-2.0

extension WorkflowGraph {
    /// The graph in Graphviz's DOT language.
    package func dot(title: String) -> String {
        func quoted(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: " ") + "\""
        }
        var lines = ["digraph weft {", "    label=\(quoted(title)); labelloc=t; rankdir=LR; fontname=\"sans-serif\";"]
        lines.append("    node [shape=box, style=rounded, fontname=\"sans-serif\"]; edge [fontname=\"sans-serif\", fontsize=10];")
        for element in elements {
            let count = element.processes > 1 ? " × \(element.processes)" : ""
            lines.append("    \(quoted(element.id)) [label=\(quoted(element.id + count)), tooltip=\(quoted(element.className))];")
        }
        for edge in edges {
            lines.append("    \(quoted(edge.from)) -> \(quoted(edge.to)) [label=\(quoted(label(of: edge)))];")
        }
        return (lines + ["}", ""]).joined(separator: "\n")
    }

    /// The graph as text: each PE once, upstream first, with what it sends where.
    package var text: String {
        var lines: [String] = []
        for index in topologicalOrder ?? Array(elements.indices) {
            let element = elements[index]
            let count = element.processes > 1 ? " × \(element.processes)" : ""
            let isSource = !edges.contains { $0.to == element.id }
            lines.append((isSource ? "● " : "○ ") + element.id + count)
            for edge in edges where edge.from == element.id {
                lines.append("  └─ \(edge.output) → \(edge.to).\(edge.input)\(suffix(grouping(of: edge)))")
            }
            for port in unconnectedOutputs(of: element) { lines.append("  └─ \(port) → results") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The grouping of the input port that the edge ends at.
    package func grouping(of edge: Edge) -> Grouping {
        elements.first { $0.id == edge.to }?.inputs.first { $0.name == edge.input }?.grouping ?? .roundRobin
    }

    private func label(of edge: Edge) -> String { "\(edge.output) → \(edge.input)\(suffix(grouping(of: edge)))" }

    private func suffix(_ grouping: Grouping) -> String { grouping == .roundRobin ? "" : " (\(grouping))" }
}
