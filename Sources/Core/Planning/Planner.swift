// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Lays a graph out on ranks.
///
/// - How many instances a PE has does not depend on the number of ranks, so neither do the results: as many as its
///   `numprocesses` asks for, one where it asks for none, one for a source.
/// - PEs that only round-robin edges join, with equally many instances, form one stage: its workers hand data on by calls.
/// - Workers are dealt to the ranks in turn, so that the instances of one PE are spread; with fewer ranks than workers,
///   ranks hold several.
package enum Planner {
    package static let maximumRanks = 100_000

    /// - Throws: `Problem` when the graph is not valid, or `ranks` is not from 1 to ``maximumRanks``.
    package static func plan(_ graph: WorkflowGraph, ranks: Int, layout: Layout = .fused) throws(Problem) -> Plan {
        try graph.validate()
        guard (1...maximumRanks).contains(ranks) else {
            throw Problem(
                .invalid, "A run needs from 1 to \(maximumRanks) ranks.", errors: [.init("/ranks", "is \(ranks)")])
        }
        let stages = stages(of: graph, layout: layout)

        var firstInstances = [Int](repeating: 0, count: graph.elements.count)
        var instances = 0
        for index in graph.elements.indices {
            firstInstances[index] = instances
            instances += stages.first { $0.elements.contains(index) }?.workers ?? 0
        }
        guard instances <= DatumID.maximumInstances else {
            throw Problem(
                .invalid,
                "The graph asks for \(instances) PE instances; a run has at most \(DatumID.maximumInstances). Lower the PEs' numprocesses.")
        }

        let slots = stages.enumerated().flatMap { stage, value in (0..<value.workers).map { (stage: stage, replica: $0) } }
        let used = min(ranks, slots.count)
        let workers = slots.enumerated().map { Worker(stage: $1.stage, replica: $1.replica, rank: $0 % used) }
        return Plan(
            layout: layout, ranksRequested: ranks, ranks: used, stages: stages, workers: workers, firstInstances: firstInstances,
            reasons: [rankReason(requested: ranks, used: used, workers: workers.count)])
    }

    private static func stages(of graph: WorkflowGraph, layout: Layout) -> [Stage] {
        var stages: [Stage] = []
        var stageOf = [String: Int]()
        for index in graph.topologicalOrder ?? [] {
            let element = graph.elements[index]
            let incoming = graph.edges.filter { $0.to == element.id }
            let (count, countReason) = instanceCount(of: element, isSource: incoming.isEmpty)
            let upstream = Set(incoming.compactMap { stageOf[$0.from] })
            let isRoundRobin = incoming.allSatisfy { graph.grouping(of: $0) == .roundRobin }
            if layout == .fused, let stage = upstream.first, upstream.count == 1, isRoundRobin, stages[stage].workers == count {
                stages[stage].elements.append(index)
                stages[stage].reasons.append(
                    "\(element.id) is fused with \(incoming.map(\.from).joined(separator: ", ")): only round-robin edges join them")
                stageOf[element.id] = stage
            } else {
                let headReason = headReason(element, incoming: incoming, graph: graph, layout: layout, upstream: upstream.count)
                stages.append(Stage(elements: [index], workers: count, reasons: [countReason, headReason]))
                stageOf[element.id] = stages.count - 1
            }
        }
        return stages
    }

    private static func instanceCount(of element: ProcessElement, isSource: Bool) -> (Int, String) {
        if isSource { return (1, "\(element.id) is a source: one instance reads the input") }
        if element.single { return (1, "\(element.id) has one instance: it is declared single") }
        if element.processes > 1 {
            return (element.processes, "\(element.id) has \(element.processes) instances: its numprocesses says so")
        }
        return (1, "\(element.id) has one instance: it declares no numprocesses, and may keep state")
    }

    private static func headReason(
        _ element: ProcessElement, incoming: [Edge], graph: WorkflowGraph, layout: Layout, upstream: Int
    ) -> String {
        if incoming.isEmpty { return "\(element.id) begins a stage: data enter there" }
        if layout == .spread { return "\(element.id) has a stage of its own: the layout is spread" }
        if let edge = incoming.first(where: { graph.grouping(of: $0) != .roundRobin }) {
            return "\(element.id) begins a stage: its input \(edge.input) is grouped \(graph.grouping(of: edge))"
        }
        if upstream > 1 { return "\(element.id) begins a stage: it reads from several stages" }
        return "\(element.id) begins a stage: it has another number of instances than \(incoming.map(\.from).joined(separator: ", "))"
    }

    private static func rankReason(requested: Int, used: Int, workers: Int) -> String {
        if used < requested {
            return "\(used) of \(requested) ranks are used: the graph has \(workers) worker\(workers == 1 ? "" : "s"); "
                + "declare numprocesses or choose the spread layout for more"
        }
        return workers > used
            ? "\(workers) workers share \(used) rank\(used == 1 ? "" : "s")" : "each of the \(workers) workers has a rank of its own"
    }
}
