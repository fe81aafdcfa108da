// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// A graph's edges by the positions of its elements.
struct Topology {
    let graph: WorkflowGraph
    /// By edge: index of the element that writes.
    let from: [Int]
    /// By edge: index of the element that reads.
    let to: [Int]
    /// By element: indexes of the edges that lead to it.
    let incoming: [[Int]]
    let outgoing: [[Int]]
    /// By element: its place in the topological order.
    let rank: [Int]
    let order: [Int]
    /// By element: groupings of its incoming edges.
    let groupings: [[Grouping]]

    /// - Parameter graph: a valid one.
    init(_ graph: WorkflowGraph) {
        let position = Dictionary(graph.elements.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        var incoming = [[Int]](repeating: [], count: graph.elements.count)
        var outgoing = incoming
        var from: [Int] = []
        var to: [Int] = []
        for (index, edge) in graph.edges.enumerated() {
            from.append(position[edge.from] ?? 0)
            to.append(position[edge.to] ?? 0)
            outgoing[from[index]].append(index)
            incoming[to[index]].append(index)
        }
        self.graph = graph
        self.from = from
        self.to = to
        self.incoming = incoming
        self.outgoing = outgoing
        order = graph.topologicalOrder ?? []
        var rank = [Int](repeating: 0, count: graph.elements.count)
        for (place, element) in order.enumerated() { rank[element] = place }
        self.rank = rank
        groupings = graph.elements.indices.map { element in
            incoming[element].map { edge in
                graph.elements[element].inputs.first { $0.name == graph.edges[edge].input }?.grouping ?? .roundRobin
            }
        }
    }

    /// The elements that write to this one.
    func producers(of element: Int) -> [Int] { incoming[element].map { from[$0] } }
}

extension Topology {
    /// Elements that may share a worker, upstream before downstream, by the first of each: only edges join them that are round
    /// robin, or between single instances, where a grouping divides nothing; only the first reads from elsewhere, and all or
    /// none are native.
    /// - Parameters:
    ///   - isSingle: whether the element has one instance, whatever the ranks.
    ///   - mayJoin: whether the first element may join the group that the second begins.
    func groups(_ layout: Layout, isSingle: (Int) -> Bool, where mayJoin: (Int, Int) -> Bool) -> [[Int]] {
        guard layout == .fused else { return order.map { [$0] } }
        var groups: [[Int]] = []
        var groupOf = [Int](repeating: -1, count: graph.elements.count)
        for element in order {
            let upstream = Set(producers(of: element).map { groupOf[$0] })
            if upstream.count == 1, let group = upstream.first,
                groupings[element].allSatisfy({ $0 == .roundRobin }) || isSingle(element) && groups[group].allSatisfy(isSingle),
                isNative(element) == isNative(groups[group][0]), mayJoin(element, groups[group][0])
            {
                groups[group].append(element)
                groupOf[element] = group
            } else {
                groups.append([element])
                groupOf[element] = groups.count - 1
            }
        }
        return groups
    }

    func isNative(_ element: Int) -> Bool { graph.elements[element].native != nil }
}
