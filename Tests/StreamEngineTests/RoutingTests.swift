// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@testable import StreamEngine

struct RoutingTests {
    /// Two workers of stage 0 write on one edge for each grouping: to the three workers of stage 1 (round robin, by key) and to
    /// the two of stage 2 (all, global).
    private static let layout = Layout(
        stages: [(2, 2), (1, 3), (1, 2)],
        links: [(0, 0, 1, .roundRobin), (0, 1, 1, .byKey([.index(0)])), (0, 0, 2, .all), (0, 1, 2, .global)]
    ) { $0 % 3 }

    private func routing() throws -> Routing { try Routing(graph: Self.layout.graph, plan: Self.layout.plan) }

    @Test func everyWorkerIsJoinedToAllWorkersOfTheStagesAfterItsOwn() throws {
        let routing = try routing()
        #expect(routing.destinations == [[2, 3, 4, 5, 6], [], []])
        #expect(routing.origins == [[], [0, 1], [0, 1]])
        #expect(routing.isSource(stage: 0) && !routing.isSource(stage: 1))
    }

    @Test func roundRobinTakesTurnsAndBeginsAtTheWritersReplica() throws {
        for (worker, expected) in [(0, [0, 1, 2, 0]), (1, [1, 2, 0, 1])] {
            var router = Router(routing: try routing(), worker: worker)
            #expect(expected.map { _ in router.replicas(edge: 1, keyHash: 0) } == expected.map { $0..<$0 + 1 })
        }
    }

    @Test func equalKeysGoToOneWorker() throws {
        var router = Router(routing: try routing(), worker: 0)
        for key in [0, 1, 2, 3, UInt64.max] {
            let replica = Int(key % 3)
            #expect(router.replicas(edge: 2, keyHash: key) == replica..<replica + 1)
        }
    }

    @Test func allMeansEveryWorkerAndGlobalTheFirst() throws {
        var router = Router(routing: try routing(), worker: 1)
        #expect(router.replicas(edge: 3, keyHash: 0) == 0..<2)
        #expect(router.replicas(edge: 4, keyHash: 0) == 0..<1)
    }

    @Test(arguments: [0, 5, 65535])
    func anEdgeThatDoesNotLeaveTheStageIsRefused(edge: Int) throws {
        let routing = try routing()
        var router = Router(routing: routing, worker: 0)
        #expect(router.replicas(edge: edge, keyHash: 0) == nil)
        #expect(throws: StreamViolation.self) { try routing.slot(edge: edge, replica: 0, from: 0) }
    }

    @Test func anInstanceHasASlotAmongTheDestinationsOfItsWriters() throws {
        let routing = try routing()
        #expect(try (0..<3).map { try routing.slot(edge: 2, replica: $0, from: 0) } == [0, 1, 2])
        #expect(try (0..<2).map { try routing.slot(edge: 3, replica: $0, from: 0) } == [3, 4])
        #expect(throws: StreamViolation.self, "an instance that is not there") { try routing.slot(edge: 3, replica: 2, from: 0) }
        #expect(throws: StreamViolation.self, "an edge of another stage") { try routing.slot(edge: 3, replica: 0, from: 1) }
    }

    @Test func aPlanThatDoesNotFitTheGraphIsRefused() throws {
        var plan = Self.layout.plan
        plan.stages.removeLast()
        plan.workers.removeAll { $0.stage == 2 }
        #expect(throws: StreamViolation.self) { try Routing(graph: Self.layout.graph, plan: plan) }
        plan = Self.layout.plan
        plan.workers[1].replica = 0
        #expect(throws: StreamViolation.self) { try Routing(graph: Self.layout.graph, plan: plan) }
    }
}
