// SPDX-License-Identifier: Apache-2.0

/// Whether PEs that only round-robin edges join share a worker.
package enum Layout: String, Sendable, Codable, CaseIterable {
    /// A call instead of a message, wherever the graph allows it.
    case fused
    /// One stage for each PE.
    case spread
}

/// PEs that run together: each of the stage's workers holds one instance of every element, and calls from one to the next
/// directly. The first element is the head: the only one that may have edges from other stages, or is a source.
package struct Stage: Sendable, Hashable, Codable {
    /// Indexes into the graph's elements, upstream before downstream.
    package var elements: [Int]
    /// How many workers run this stage.
    package var workers: Int
    /// Why it is so, for people.
    package var reasons: [String]

    package init(elements: [Int], workers: Int, reasons: [String]) {
        self.elements = elements
        self.workers = workers
        self.reasons = reasons
    }
}

/// One process that hosts one instance of each PE of a stage.
package struct Worker: Sendable, Hashable, Codable {
    /// Index into the plan's stages.
    package var stage: Int
    /// Position among the workers of the stage.
    package var replica: Int
    package var rank: Int

    package init(stage: Int, replica: Int, rank: Int) {
        self.stage = stage
        self.replica = replica
        self.rank = rank
    }
}

/// How a graph is laid out on MPI ranks. A document: stored, shown, and read by every rank.
package struct Plan: Sendable, Hashable, Codable {
    package var layout: Layout
    package var ranksRequested: Int
    /// Ranks that have a worker; only these are started.
    package var ranks: Int
    package var stages: [Stage]
    /// The position of a worker in this list is its number on the wire and in the provenance.
    package var workers: [Worker]
    /// For each element of the graph, the number of its first PE instance; replica `k` is instance `firstInstance + k`.
    package var firstInstances: [Int]
    package var reasons: [String]

    package init(
        layout: Layout, ranksRequested: Int, ranks: Int, stages: [Stage], workers: [Worker], firstInstances: [Int],
        reasons: [String]
    ) {
        self.layout = layout
        self.ranksRequested = ranksRequested
        self.ranks = ranks
        self.stages = stages
        self.workers = workers
        self.firstInstances = firstInstances
        self.reasons = reasons
    }

    private enum CodingKeys: String, CodingKey {
        case layout, ranks, stages, workers, reasons
        case ranksRequested = "ranks_requested"
        case firstInstances = "first_instances"
    }
}

extension Plan {
    /// The stage that holds the element.
    package func stage(ofElement element: Int) -> Int? { stages.firstIndex { $0.elements.contains(element) } }

    /// Number of instances of the element.
    package func instanceCount(ofElement element: Int) -> Int { stage(ofElement: element).map { stages[$0].workers } ?? 0 }

    /// The element and replica that a PE instance number stands for.
    package func element(ofInstance instance: Int) -> (element: Int, replica: Int)? {
        guard let element = firstInstances.indices.last(where: { firstInstances[$0] <= instance }) else { return nil }
        let replica = instance - firstInstances[element]
        return replica < instanceCount(ofElement: element) ? (element, replica) : nil
    }

    package var instanceCount: Int { firstInstances.indices.reduce(0) { $0 + instanceCount(ofElement: $1) } }

    /// Number of the worker that is replica `replica` of stage `stage`.
    package func worker(stage: Int, replica: Int) -> Int? { workers.firstIndex { $0.stage == stage && $0.replica == replica } }

    /// Numbers of the workers placed on the rank.
    package func workers(onRank rank: Int) -> [Int] { workers.indices.filter { workers[$0].rank == rank } }
}

extension Plan {
    /// - Parameter labels: that the nodes of PEs must have, by PE id.
    /// - Returns: blocks of consecutive ranks with equal labels; none where no rank has any.
    package func blocks(of graph: WorkflowGraph, labels: [String: [String]]) -> [RankBlock] {
        guard labels.contains(where: { !$0.value.isEmpty }) else { return [] }
        var blocks: [RankBlock] = []
        for rank in 0..<ranks {
            let elements = workers(onRank: rank).flatMap { stages[workers[$0].stage].elements }
            let own = Set(elements.flatMap { labels[graph.elements[$0].id] ?? [] })
            if blocks.last?.labels == own {
                blocks[blocks.count - 1].ranks += 1
            } else {
                blocks.append(RankBlock(ranks: 1, labels: own))
            }
        }
        return blocks
    }
}

extension RunNeeds {
    /// - Returns: what is wrong with the labels of single PEs.
    package func faults(elements graph: WorkflowGraph) -> [Problem.FieldError] {
        let ids = graph.elements.map(\.id)
        var faults = (elements ?? [:]).keys.filter { !ids.contains($0) }.sorted().map { name in
            Problem.FieldError("/needs/elements/\(name)", "is no PE of the graph; it has \(ids.joined(separator: ", "))")
        }
        if nodes != nil, elements?.isEmpty == false {
            faults.append(
                .init("/needs/nodes", "cannot be said together with elements: how many nodes there are follows from their labels"))
        }
        return faults
    }
}
