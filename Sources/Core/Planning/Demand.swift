// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// The work that the PEs and edges of a graph make, in seconds of the run that was measured. Relations are what counts: a
/// longer run has more of everything.
struct Demand {
    /// What a small datum that passes from worker to worker costs the one and again the other.
    static let crossing = 1e-6

    /// By element: time in its own code.
    private(set) var elements: [Double]
    /// By edge: what passing its data from worker to worker costs either side.
    private(set) var edges: [Double]
    /// Data that the sources wrote.
    private(set) var items = 0

    init(_ costs: Costs, _ topology: Topology) {
        let graph = topology.graph
        let known = graph.elements.map { costs.elements[$0.id] }
        elements = known.map { $0.map { Double($0.calls) * $0.secondsPerCall } ?? 0 }
        edges = [Double](repeating: 0, count: graph.edges.count)
        for (element, incoming) in topology.incoming.enumerated() {
            if incoming.isEmpty {
                items += known[element].map { $0.itemsOut > 0 ? $0.itemsOut : $0.calls } ?? 0
            }
            // Each call takes a datum; which edge it came by, the producers' counts tell.
            let shares = incoming.map { Double(known[topology.from[$0]]?.itemsOut ?? 0) }
            let total = shares.reduce(0, +)
            for (edge, share) in zip(incoming, shares) {
                let part = total > 0 ? share / total : 1 / Double(incoming.count)
                edges[edge] = Double(known[element]?.calls ?? 0) * part * Self.crossing
            }
        }
    }

    /// - Throws: `Problem` that names what cannot be costs of this graph.
    static func check(_ costs: Costs, for graph: WorkflowGraph) throws(Problem) {
        var errors: [Problem.FieldError] = []
        if costs.format != Costs.formatVersion {
            errors.append(.init("/costs/format", "is \(costs.format); this Weft reads \(Costs.formatVersion): measure again"))
        }
        let ids = Set(graph.elements.map(\.id))
        for (id, cost) in costs.elements.sorted(by: { $0.key < $1.key }) {
            let pointer = "/costs/elements/\(id)"
            if !ids.contains(id) {
                let known = graph.elements.prefix(20).map(\.id).joined(separator: ", ")
                errors.append(.init(pointer, "the graph has no PE '\(id)' but \(known): measure it again"))
            } else if ![Double(cost.calls), Double(cost.itemsOut), cost.secondsPerCall].allSatisfy((0...Prediction.most).contains) {
                errors.append(.init(pointer, "counts and seconds must be from 0 to 10^12"))
            }
        }
        guard errors.isEmpty else { throw Problem(.invalid, "The costs do not fit the graph.", errors: errors) }
    }
}
