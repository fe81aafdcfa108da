// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@testable import Planning

/// Plans from measured costs.
@Suite struct CostTests {
    /// Costs of a run of 1000 items in which each PE was called once an item.
    static func costs(_ milliseconds: [Double], of graph: WorkflowGraph, stateful: Set<Int> = []) -> Costs {
        var elements: [String: ElementCost] = [:]
        for (index, value) in milliseconds.enumerated() {
            elements[graph.elements[index].id] = ElementCost(
                calls: 1000, itemsOut: 1000, secondsPerCall: value / 1000, stateful: stateful.contains(index),
                changed: stateful.contains(index) ? ["total"] : nil)
        }
        return Costs(elements: elements)
    }

    static func workers(_ plan: Plan) -> [Int] { plan.stages.map(\.workers) }

    static func reasons(_ plan: Plan) -> [String] { plan.stages.flatMap { $0.reasons } }

    @Test func ranksGoWhereTheWorkIs() throws {
        let graph = PlannerTests.chain(4)
        let costs = Self.costs([1, 1, 20, 2], of: graph)
        let plan = try Planner.plan(graph, ranks: 8, costs: costs)
        #expect(plan.stages.map(\.elements) == [[0, 1], [2, 3]])
        #expect(Self.workers(plan) == [1, 7])
        #expect(plan.ranks == 8)
        #expect(plan.reasons.contains { $0.contains("items/s") && $0.contains("stage 1 (P2 > P3)") })
        let spread = try Planner.plan(graph, ranks: 8, layout: .spread, costs: costs)
        #expect(spread.stages.map(\.elements) == [[0], [1], [2], [3]])
        #expect(Self.workers(spread)[2] >= 5)
    }

    @Test func equalCostsGiveTheEqualSplit() throws {
        let graph = PlannerTests.chain(4)
        let plan = try Planner.plan(graph, ranks: 10, layout: .spread, costs: Self.costs([1, 1, 1, 1], of: graph))
        #expect(Self.workers(plan) == [1, 3, 3, 3])
        #expect(Set(plan.workers.map(\.rank)) == Set(0..<10))
    }

    @Test func whatCostsLessThanAMessageStaysWithItsProducer() throws {
        let graph = PlannerTests.chain(4)
        let plan = try Planner.plan(graph, ranks: 4, costs: Self.costs([0.0002, 0.0002, 0.0002, 0.0002], of: graph))
        #expect(plan.stages.map(\.elements) == [[0, 1, 2, 3]])
    }

    @Test func aCheapConsumerStaysWithTheSource() throws {
        let graph = PlannerTests.chain(3)
        let plan = try Planner.plan(graph, ranks: 4, costs: Self.costs([1, 0.1, 9], of: graph))
        #expect(plan.stages.map(\.elements) == [[0, 1], [2]])
        #expect(Self.workers(plan) == [1, 3])
    }

    @Test func lightWorkersShareTheRanksOfHeavyOnes() throws {
        var graph = PlannerTests.wordCount
        graph.elements[1].processes = 1
        graph.elements[2].processes = 1
        let plan = try Planner.plan(graph, ranks: 4, costs: Self.costs([0.001, 0.001, 50, 0.001], of: graph, stateful: [2, 3]))
        #expect(plan.instanceCount(ofElement: 2) == 4, "data grouped by key may be divided, though counting changes the instance")
        #expect(plan.instanceCount(ofElement: 3) == 1)
        #expect(Set(plan.workers.filter { $0.stage == plan.stage(ofElement: 2) }.map(\.rank)) == [0, 1, 2, 3])
    }

    @Test func undeclaredStateKeepsOneInstanceAndSaysHowToDeclareIt() throws {
        var graph = PlannerTests.chain(3)
        let costs = Self.costs([0.1, 5, 0.1], of: graph, stateful: [1])
        let plan = try Planner.plan(graph, ranks: 4, costs: costs)
        #expect(plan.instanceCount(ofElement: 1) == 1)
        #expect(Self.reasons(plan).contains { $0.contains("total") && $0.contains("stateful = False") })
        graph.elements[1].stateful = false
        #expect(try Planner.plan(graph, ranks: 4, costs: costs).instanceCount(ofElement: 1) > 1)
        graph.elements[1].stateful = true
        #expect(try Planner.plan(graph, ranks: 4, costs: Self.costs([0.1, 5, 0.1], of: graph)).instanceCount(ofElement: 1) == 1)
        graph.elements[1].stateful = nil
        graph.elements[1].native = NativeOperation(operation: "count")
        #expect(try Planner.plan(graph, ranks: 4, costs: Self.costs([0.1, 5, 0.1], of: graph)).instanceCount(ofElement: 1) == 1)
    }

    @Test func whatWasNotMeasuredKeepsOneInstance() throws {
        let graph = PlannerTests.chain(2)
        let costs = Costs(elements: ["P0": .init(calls: 1, itemsOut: 9, secondsPerCall: 1, stateful: false)])
        let plan = try Planner.plan(graph, ranks: 4, costs: costs)
        #expect(plan.instanceCount(ofElement: 1) == 1)
        #expect(Self.reasons(plan).contains { $0.contains("the costs say nothing of it") })
    }

    @Test func refusesCostsOfAnotherGraph() throws {
        let graph = PlannerTests.chain(2)
        let problem = #expect(throws: Problem.self) {
            try Planner.plan(graph, ranks: 2, costs: Self.costs([1, 1, 1], of: PlannerTests.chain(3)))
        }
        #expect(problem?.errors.map(\.pointer) == ["/costs/elements/P2"])
        var negative = Self.costs([1, 1], of: graph)
        negative.elements["P1"]?.secondsPerCall = -.infinity
        #expect(throws: Problem.self) { try Planner.plan(graph, ranks: 2, costs: negative) }
        var endless = Self.costs([1, 1], of: graph)
        endless.elements["P0"]?.itemsOut = .max
        #expect(throws: Problem.self) { try Planner.plan(graph, ranks: 2, costs: endless) }
    }

    @Test func nativeAndPythonElementsShareNoWorker() throws {
        var graph = PlannerTests.chain(4)
        graph.elements[1].native = NativeOperation(operation: "filter")
        graph.elements[2].native = NativeOperation(operation: "count")
        #expect(try Planner.plan(graph, ranks: 1).stages.map(\.elements) == [[0], [1, 2], [3]])
        let plan = try Planner.plan(graph, ranks: 1, costs: Self.costs([1, 1, 1, 1], of: graph))
        #expect(plan.stages.map(\.elements) == [[0], [1, 2], [3]])
    }

    @Test func randomPlansKeepTheRules() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<400 {
            let (graph, costs) = Self.randomCase(&random)
            let ranks = Int.random(in: 1...12, using: &random)
            for layout in Layout.allCases {
                let plan = try Planner.plan(graph, ranks: ranks, layout: layout, costs: costs)
                #expect(plan.stages.flatMap(\.elements).sorted() == Array(graph.elements.indices))
                #expect(Set(plan.workers.map(\.rank)) == Set(0..<plan.ranks) && plan.ranks <= ranks)
                for (index, element) in graph.elements.enumerated() {
                    let groupings = graph.edges.filter { $0.to == element.id }.map { graph.grouping(of: $0) }
                    let count = plan.instanceCount(ofElement: index)
                    let isOne =
                        groupings.isEmpty || element.single || groupings.contains(.global) || groupings.contains(.all)
                        || (element.stateful == true && !groupings.allSatisfy(\.isByKey))
                    if groupings.isEmpty || element.single {
                        #expect(count == 1)
                    } else if element.processes > 1 {
                        #expect(count == element.processes)
                    } else if isOne {
                        #expect(count == 1)
                    }
                    guard let stage = plan.stages.first(where: { $0.elements.dropFirst().contains(index) }) else { continue }
                    #expect(layout == .fused && (stage.workers == 1 || groupings.allSatisfy { $0 == .roundRobin }))
                    for edge in graph.edges where edge.to == element.id {
                        let from = try #require(graph.index(of: edge.from))
                        #expect(stage.elements.contains(from), "only the head of a stage reads from elsewhere")
                        #expect((graph.elements[from].native == nil) == (element.native == nil))
                    }
                }
            }
        }
    }

    /// Every way to cut a chain and to give ranks to its stages, each worker on a rank of its own.
    @Test func aChainIsAsFastAsAnyPlanOfIt() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let count = Int.random(in: 2...6, using: &random)
            let graph = PlannerTests.chain(count)
            let stateful = Set((1..<count).filter { _ in Int.random(in: 0..<3, using: &random) == 0 })
            let costs = Self.costs(
                (0..<count).map { _ in Double(Int.random(in: 1...30, using: &random)) }, of: graph, stateful: stateful)
            let ranks = Int.random(in: 1...8, using: &random)
            let topology = Topology(graph)
            let demand = Demand(costs, topology)
            let replications = (0..<count).map {
                Replication(
                    of: graph.elements[$0], groupings: topology.groupings[$0], cost: costs.elements["P\($0)"], isMeasured: true)
            }
            let partition = Partition(groups: [Array(0..<count)], topology: topology, replications: replications, demand: demand)
            let found = Placement(partition.stages(ranks: ranks), ranks: ranks).maximum

            var best = Double.infinity
            for cuts in 0..<1 << (count - 1) {
                var stages: [Segment] = []
                for element in 0..<count {
                    if element == 0 || cuts >> (element - 1) & 1 == 1 { stages.append(Segment()) }
                    _ = stages[stages.count - 1].append(element, replications[element].instances, demand, topology)
                }
                if stages.count <= ranks { best = min(best, Self.bruteForce(stages[...], ranks: ranks)) }
            }
            #expect(found <= best * 1.001, "\(costs) on \(ranks) ranks")
        }
    }

    @Test func spareRanksAreSharedAsWellAsCanBe() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let count = Int.random(in: 2...5, using: &random)
            let graph = PlannerTests.chain(count)
            let costs = Self.costs((0..<count).map { _ in Double.random(in: 1...30, using: &random) }, of: graph)
            let topology = Topology(graph)
            let demand = Demand(costs, topology)
            var stages = (0..<count).map { element in
                var stage = Segment()
                _ = stage.append(element, .any, demand, topology)
                return stage
            }
            let ranks = count + Int.random(in: 0...6, using: &random)
            let best = Self.bruteForce(stages[...], ranks: ranks)
            Partition.share(ranks - count, among: &stages)
            #expect(stages.reduce(0) { $0 + $1.workers } == ranks)
            #expect((stages.map(\.load).max() ?? 0) <= best * (1 + 1e-9))
        }
    }

    /// The least that the busiest worker can have, over all ways to give `ranks` workers to the stages.
    static func bruteForce(_ stages: ArraySlice<Segment>, ranks: Int) -> Double {
        guard let first = stages.first else { return 0 }
        let most = first.instances == .any ? ranks - stages.count + 1 : 1
        guard most >= 1 else { return .infinity }
        return (1...most).map { max(first.work / Double($0), bruteForce(stages.dropFirst(), ranks: ranks - $0)) }.min() ?? .infinity
    }

    static func randomCase(_ random: inout some RandomNumberGenerator) -> (WorkflowGraph, Costs) {
        var graph = PlannerTests.randomGraph(&random)
        var elements: [String: ElementCost] = [:]
        for index in graph.elements.indices {
            graph.elements[index].processes = Int.random(in: 0..<4, using: &random) == 0 ? 3 : 1
            graph.elements[index].single = Int.random(in: 0..<8, using: &random) == 0
            graph.elements[index].stateful = [nil, true, false].randomElement(using: &random) ?? nil
            if Int.random(in: 0..<4, using: &random) == 0 { graph.elements[index].native = NativeOperation(operation: "filter") }
            if Int.random(in: 0..<8, using: &random) == 0 { continue }
            elements[graph.elements[index].id] = ElementCost(
                calls: Int.random(in: 0...1000, using: &random), itemsOut: Int.random(in: 0...3000, using: &random),
                secondsPerCall: Double.random(in: 0...0.02, using: &random), stateful: Bool.random(using: &random))
        }
        return (graph, Costs(elements: elements))
    }
}
