// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Who is joined to whom, and where data on an edge go: what graph and plan mean for the stream.
package struct Routing: Sendable {
    /// An edge that leaves a stage.
    struct Route: Sendable {
        /// Position of the receiving stage's first worker among the destinations of the sending stage.
        var firstSlot: Int
        var workers: Int
        var grouping: Grouping
    }

    /// By edge of the graph; `nil` for an edge inside a stage, whose data never reach a rank.
    let routes: [Route?]
    /// By edge, the stage that writes to it.
    let sourceStages: [Int]
    /// By stage, the workers that its workers send to.
    package let destinations: [[Int]]
    /// By stage, the workers that its workers hear from.
    package let origins: [[Int]]
    /// By worker.
    package let stages: [Int]
    package let ranks: [Int]
    package let replicas: [Int]

    /// - Throws: when graph and plan do not fit each other.
    package init(graph: WorkflowGraph, plan: Plan) throws(StreamViolation) {
        let byStage = plan.stages.indices.map { stage in
            plan.workers.indices.filter { plan.workers[$0].stage == stage }.sorted { plan.workers[$0].replica < plan.workers[$1].replica }
        }
        for (stage, workers) in byStage.enumerated()
        where workers.isEmpty || workers.map({ plan.workers[$0].replica }) != Array(workers.indices) {
            throw StreamViolation("the plan does not number the workers of stage \(stage) from 0 on")
        }

        var routes: [Route?] = []
        var sourceStages: [Int] = []
        var next = plan.stages.map { _ in [Int]() }
        for edge in graph.edges {
            guard let from = graph.index(of: edge.from).flatMap({ plan.stage(ofElement: $0) }),
                let receiver = graph.index(of: edge.to), let to = plan.stage(ofElement: receiver),
                let port = graph.elements[receiver].inputs.first(where: { $0.name == edge.input })
            else { throw StreamViolation("the plan has no place for the edge \(edge.from).\(edge.output) -> \(edge.to).\(edge.input)") }
            sourceStages.append(from)
            guard from != to else {
                routes.append(nil)
                continue
            }
            let position = next[from].firstIndex(of: to) ?? next[from].count
            if position == next[from].count { next[from].append(to) }
            let firstSlot = next[from][..<position].reduce(0) { $0 + byStage[$1].count }
            routes.append(Route(firstSlot: firstSlot, workers: byStage[to].count, grouping: port.grouping))
        }
        self.routes = routes
        self.sourceStages = sourceStages
        destinations = next.map { $0.flatMap { byStage[$0] } }
        origins = next.indices.map { stage in next.indices.filter { next[$0].contains(stage) }.flatMap { byStage[$0] } }
        stages = plan.workers.map(\.stage)
        ranks = plan.workers.map(\.rank)
        replicas = plan.workers.map(\.replica)
    }

    /// The slot, among the destinations of the stage, of a replica that an edge leads to.
    func slot(edge: Int, replica: Int, from stage: Int) throws(StreamViolation) -> Int {
        guard edge < routes.count, sourceStages[edge] == stage, let route = routes[edge] else {
            throw StreamViolation("a chunk on edge \(edge), which does not leave its stage")
        }
        guard replica < route.workers else {
            throw StreamViolation("a chunk on edge \(edge) for instance \(replica), where there are \(route.workers)")
        }
        return route.firstSlot + replica
    }

    /// Whether the workers of the stage bring data into the graph, rather than receive any.
    package func isSource(stage: Int) -> Bool { origins[stage].isEmpty }
}

/// One worker's choice of instances: where its round robins stand (`docs/worker-protocol.md`, Rules).
package struct Router: Sendable {
    private let routing: Routing
    private let stage: Int
    /// By edge.
    private var turns: [Int]

    package init(routing: Routing, worker: Int) {
        self.routing = routing
        stage = routing.stages[worker]
        // Each worker starts with another replica, so that few data from many workers are spread as well.
        turns = routing.routes.map { _ in routing.replicas[worker] }
    }

    /// The replicas, of the edge's receiving stage, that a datum goes to; `nil` for an edge that does not leave the stage.
    package mutating func replicas(edge: Int, keyHash: UInt64) -> Range<Int>? {
        guard edge < turns.count, routing.sourceStages[edge] == stage, let route = routing.routes[edge] else { return nil }
        let first: Int
        switch route.grouping {
        case .all: return 0..<route.workers
        case .global: first = 0
        case .byKey: first = Int(keyHash % UInt64(route.workers))
        case .roundRobin:
            first = turns[edge] % route.workers
            turns[edge] = first + 1
        }
        return first..<first + 1
    }
}
