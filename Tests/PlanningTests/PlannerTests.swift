// SPDX-License-Identifier: Apache-2.0

import Planning
import Testing
import WorkflowModel

@Suite struct PlannerTests {
    /// read → split ×3 → count ×3 by key → total
    static let wordCount = WorkflowGraph(
        elements: [
            .init(id: "Read0", name: "Read", outputs: ["output"]),
            .init(id: "Split1", name: "Split", inputs: [.init(name: "input")], outputs: ["output"], processes: 3),
            .init(
                id: "Count2", name: "Count", inputs: [.init(name: "input", grouping: .byKey([.index(0)]))], outputs: ["output"],
                processes: 3),
            .init(id: "Total3", name: "Total", inputs: [.init(name: "input", grouping: .global)], outputs: ["output"]),
        ],
        edges: [
            .init(from: "Read0", output: "output", to: "Split1", input: "input"),
            .init(from: "Split1", output: "output", to: "Count2", input: "input"),
            .init(from: "Count2", output: "output", to: "Total3", input: "input"),
        ])

    static func chain(_ length: Int) -> WorkflowGraph {
        WorkflowGraph(
            elements: (0..<length).map {
                .init(id: "P\($0)", name: "P", inputs: $0 == 0 ? [] : [.init(name: "input")], outputs: ["output"])
            },
            edges: (1..<length).map { .init(from: "P\($0 - 1)", output: "output", to: "P\($0)", input: "input") })
    }

    @Test(arguments: [1, 2, 4, 9, 20]) func instancesDoNotDependOnRanks(_ ranks: Int) throws {
        let plan = try Planner.plan(Self.wordCount, ranks: ranks)
        #expect((0..<4).map { plan.instanceCount(ofElement: $0) } == [1, 3, 3, 1])
        #expect(plan.firstInstances == [0, 1, 4, 7])
        #expect(plan.ranks == min(ranks, 8))
        #expect(Set(plan.workers.map(\.rank)) == Set(0..<plan.ranks))
    }

    @Test func replicasAreSpreadOverRanks() throws {
        let plan = try Planner.plan(Self.wordCount, ranks: 4)
        let counters = plan.workers.filter { $0.stage == plan.stage(ofElement: 2) }
        #expect(Set(counters.map(\.rank)).count == 3)
    }

    @Test func aChainIsFusedIntoOneWorker() throws {
        let plan = try Planner.plan(Self.chain(5), ranks: 4)
        #expect(plan.stages.map(\.elements) == [[0, 1, 2, 3, 4]])
        #expect(plan.ranks == 1)
        #expect(plan.reasons.contains { $0.contains("1 of 4 ranks") })
    }

    @Test func spreadGivesEachElementAStage() throws {
        let plan = try Planner.plan(Self.chain(5), ranks: 4, layout: .spread)
        #expect(plan.stages.map(\.elements) == [[0], [1], [2], [3], [4]])
        #expect(plan.workers.map(\.rank) == [0, 1, 2, 3, 0])
    }

    @Test func aFanInFromTwoStagesBeginsAStage() throws {
        let graph = WorkflowGraph(
            elements: [
                .init(id: "A0", name: "A", outputs: ["output"]), .init(id: "B1", name: "B", outputs: ["output"]),
                .init(id: "C2", name: "C", inputs: [.init(name: "input")]),
            ],
            edges: [
                .init(from: "A0", output: "output", to: "C2", input: "input"),
                .init(from: "B1", output: "output", to: "C2", input: "input"),
            ])
        #expect(try Planner.plan(graph, ranks: 2).stages.map(\.elements) == [[0], [1], [2]])
    }

    @Test func everyStageHasOneHeadAndEveryElementAStage() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let graph = Self.randomGraph(&random)
            for layout in Layout.allCases {
                let plan = try Planner.plan(graph, ranks: Int.random(in: 1...9, using: &random), layout: layout)
                #expect(plan.stages.flatMap(\.elements).sorted() == Array(graph.elements.indices))
                for stage in plan.stages {
                    for element in stage.elements.dropFirst() {
                        let id = graph.elements[element].id
                        for edge in graph.edges where edge.to == id {
                            let from = try #require(graph.index(of: edge.from))
                            #expect(stage.elements.contains(from) && (graph.grouping(of: edge) == .roundRobin || stage.workers == 1))
                        }
                    }
                }
                for instance in 0..<plan.instanceCount { #expect(plan.element(ofInstance: instance) != nil) }
                #expect(plan.element(ofInstance: plan.instanceCount) == nil)
            }
        }
    }

    @Test func refusesAnImpossibleNumberOfRanks() {
        #expect(throws: Problem.self) { try Planner.plan(Self.wordCount, ranks: 0) }
        #expect(throws: Problem.self) { try Planner.plan(Self.wordCount, ranks: Planner.maximumRanks + 1) }
    }

    @Test func refusesMoreInstancesThanADatumCanName() {
        var graph = Self.wordCount
        graph.elements[1].processes = DatumID.maximumInstances
        #expect(throws: Problem.self) { try Planner.plan(graph, ranks: 1) }
    }

    static func randomGraph(_ random: inout some RandomNumberGenerator) -> WorkflowGraph {
        let groupings: [Grouping] = [.roundRobin, .roundRobin, .roundRobin, .byKey([.index(0)]), .all, .global]
        let count = Int.random(in: 1...8, using: &random)
        let elements = (0..<count).map { index in
            ProcessElement(
                id: "P\(index)", name: "P",
                inputs: [.init(name: "input", grouping: groupings.randomElement(using: &random) ?? .roundRobin)], outputs: ["output"],
                processes: Int.random(in: 1...3, using: &random))
        }
        var edges: [Edge] = []
        for to in 0..<count {
            for from in 0..<to where Int.random(in: 0..<3, using: &random) == 0 {
                edges.append(.init(from: "P\(from)", output: "output", to: "P\(to)", input: "input"))
            }
        }
        return WorkflowGraph(elements: elements, edges: edges)
    }
}
