// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Lays a graph out on ranks.
///
/// - Without costs, how many instances a PE has does not depend on the number of ranks, so neither do the results: as many as
///   its `numprocesses` asks for, one where it asks for none, one for a source.
/// - PEs that only round-robin edges join, with equally many instances, form one stage: its workers hand data on by calls. So
///   do single instances whatever the grouping, which divides nothing among one.
/// - With costs, PEs that keep no state, or whose data are grouped by key, get as many instances as the ranks allow, and
///   stages are parted where that lets the busiest rank do less (``Partition``).
package enum Planner {
    package static let maximumRanks = 100_000

    /// - Throws: `Problem` when the graph is not valid, the costs are not its own, or `ranks` is not from 1 to ``maximumRanks``.
    package static func plan(_ graph: WorkflowGraph, ranks: Int, layout: Layout = .fused, costs: Costs? = nil) throws(Problem) -> Plan {
        try graph.validate()
        guard (1...maximumRanks).contains(ranks) else {
            throw Problem(
                .invalid, "A run needs from 1 to \(maximumRanks) ranks.", errors: [.init("/ranks", "is \(ranks)")])
        }
        if let costs { try Demand.check(costs, for: graph) }
        if graph.application != nil { return try plan(application: graph.elements[0], ranks: ranks, layout) }
        let topology = Topology(graph)
        let replications = graph.elements.enumerated().map { index, element in
            Replication(
                of: element, groupings: topology.groupings[index], cost: costs?.elements[element.id], isMeasured: costs != nil)
        }
        let groups = topology.groups(layout) {
            costs == nil ? replications[$0].instances.fixed == 1 : replications[$0].instances.isSingle
        } where: {
            costs != nil || replications[$0].instances.fixed == replications[$1].instances.fixed
        }
        let explanation = Explanation(topology: topology, replications: replications, layout: layout, groups: groups)

        guard let costs else {
            let stages = groups.map {
                Stage(elements: $0, workers: replications[$0[0]].instances.fixed, reasons: explanation.reasons(of: $0))
            }
            let workers = stages.reduce(0) { $0 + $1.workers }
            let used = min(ranks, workers)
            return try assemble(
                graph, stages, ranks: (0..<workers).map { $0 % used }, of: ranks, layout, [explanation.ranks(used, of: ranks, workers)])
        }

        let demand = Demand(costs, topology)
        let partition = Partition(groups: groups, topology: topology, replications: replications, demand: demand)
        // More ranks than that could not each have an instance.
        let segments = partition.stages(ranks: min(ranks, max(1, DatumID.maximumInstances / graph.elements.count)))
        let placement = Placement(segments, ranks: ranks)
        let stages = segments.map {
            Stage(
                elements: $0.elements, workers: $0.workers,
                reasons: explanation.reasons(of: $0.elements, in: $0) + [explanation.work(of: $0, costs)])
        }
        let used = placement.loads.count
        let reasons = [
            explanation.ranks(used, of: ranks, placement.ranks.count), explanation.forecast(segments, placement, items: demand.items),
        ]
        return try assemble(graph, stages, ranks: placement.ranks, of: ranks, layout, reasons.compactMap(\.self))
    }

    /// - Parameter ranks: of each worker, stage after stage.
    private static func assemble(
        _ graph: WorkflowGraph, _ stages: [Stage], ranks: [Int], of requested: Int, _ layout: Layout, _ reasons: [String]
    ) throws(Problem) -> Plan {
        var counts = [Int](repeating: 0, count: graph.elements.count)
        for stage in stages { for element in stage.elements { counts[element] = stage.workers } }
        let instances = counts.reduce(0, +)
        guard instances <= DatumID.maximumInstances else {
            throw Problem(
                .invalid,
                "The graph asks for \(instances) PE instances; a run has at most \(DatumID.maximumInstances). Lower the PEs' numprocesses.")
        }
        var firstInstances: [Int] = []
        var next = 0
        for count in counts {
            firstInstances.append(next)
            next += count
        }
        let slots = stages.enumerated().flatMap { stage, value in (0..<value.workers).map { (stage: stage, replica: $0) } }
        return Plan(
            layout: layout, ranksRequested: requested, ranks: (ranks.max() ?? 0) + 1, stages: stages,
            workers: zip(slots, ranks).map { Worker(stage: $0.stage, replica: $0.replica, rank: $1) }, firstInstances: firstInstances,
            reasons: reasons)
    }
}

extension Replication.Instances {
    /// The number without costs.
    var fixed: Int { if case .exactly(let count) = self { count } else { 1 } }

    /// Costs do not change that.
    var isSingle: Bool {
        switch self {
        case .one: true
        case .exactly(let count): count == 1
        case .any: false
        }
    }
}
