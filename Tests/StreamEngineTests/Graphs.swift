// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
    mutating func chance(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &self) < probability }
}

/// A graph with a plan for it.
struct Layout {
    var graph: WorkflowGraph
    var plan: Plan

    /// - Parameters:
    ///   - stages: for each stage, how many elements it chains and its number of workers.
    ///   - links: edges between stages, from any element of a stage to the head of a later one.
    init(stages: [(elements: Int, workers: Int)], links: [(from: Int, element: Int, to: Int, grouping: Grouping)], rankOf: (Int) -> Int) {
        var elements: [ProcessElement] = []
        var edges: [Edge] = []
        var planned: [Stage] = []
        for (stage, shape) in stages.enumerated() {
            for position in 0..<shape.elements {
                elements.append(ProcessElement(id: "P\(stage)_\(position)", name: "P", inputs: [InputPort(name: "in")], outputs: ["out"]))
                if position > 0 {
                    edges.append(Edge(from: "P\(stage)_\(position - 1)", output: "out", to: "P\(stage)_\(position)", input: "in"))
                }
            }
            planned.append(
                Stage(elements: Array(elements.count - shape.elements..<elements.count), workers: shape.workers, reasons: []))
        }
        for (number, link) in links.enumerated() {
            let head = planned[link.to].elements[0]
            elements[head].inputs.append(InputPort(name: "in\(number)", grouping: link.grouping))
            edges.append(Edge(from: "P\(link.from)_\(link.element)", output: "out", to: elements[head].id, input: "in\(number)"))
        }
        graph = WorkflowGraph(elements: elements, edges: edges)
        var workers: [Worker] = []
        for (stage, shape) in stages.enumerated() {
            for replica in 0..<shape.workers { workers.append(Worker(stage: stage, replica: replica, rank: rankOf(workers.count))) }
        }
        let ranks = (workers.map(\.rank).max() ?? 0) + 1
        plan = Plan(
            layout: .spread, ranksRequested: ranks, ranks: ranks, stages: planned, workers: workers,
            firstInstances: elements.indices.map { _ in 0 }, reasons: [])
    }

    /// A random acyclic graph of 1 to 6 stages on 1 to 9 ranks; every rank has a worker.
    static func random(_ generator: inout SeededGenerator) -> Layout {
        let stages = (0..<1 + generator.below(6)).map { _ in (elements: 1 + generator.below(3), workers: 1 + generator.below(4)) }
        var links: [(from: Int, element: Int, to: Int, grouping: Grouping)] = []
        for to in stages.indices.dropFirst() where generator.chance(0.9) {
            for _ in 0..<1 + generator.below(3) {
                let from = generator.below(to)
                let groupings: [Grouping] = [.roundRobin, .byKey([.index(0)]), .all, .global]
                links.append((from, generator.below(stages[from].elements), to, groupings[generator.below(4)]))
            }
        }
        let count = stages.reduce(0) { $0 + $1.workers }
        let ranks = 1 + generator.below(min(9, count))
        var places = (0..<count).map { $0 < ranks ? $0 : generator.below(ranks) }
        places.shuffle(using: &generator)
        return Layout(stages: stages, links: links) { places[$0] }
    }
}
