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

    private func record(_ edge: Int, key: UInt64 = 0) -> Record { Record(edge: edge, datum: 0, keyHash: key, valueLength: 0) }

    @Test func everyWorkerIsJoinedToAllWorkersOfTheStagesAfterItsOwn() throws {
        let routing = try routing()
        #expect(routing.destinations == [[2, 3, 4, 5, 6], [], []])
        #expect(routing.origins == [[], [0, 1], [0, 1]])
        #expect(routing.isSource(stage: 0) && !routing.isSource(stage: 1))
    }

    @Test func roundRobinTakesTurnsAndBeginsAtTheWritersReplica() throws {
        for (worker, expected) in [(0, [0, 1, 2, 0]), (1, [1, 2, 0, 1])] {
            var router = Router(routing: try routing(), worker: worker)
            #expect(try expected.map { _ in try router.slots(for: record(1)) } == expected.map { $0..<$0 + 1 })
        }
    }

    @Test func equalKeysGoToOneWorker() throws {
        var router = Router(routing: try routing(), worker: 0)
        for key in [0, 1, 2, 3, UInt64.max] {
            let slot = Int(key % 3)
            #expect(try router.slots(for: record(2, key: key)) == slot..<slot + 1)
        }
    }

    @Test func allMeansEveryWorkerAndGlobalTheFirst() throws {
        var router = Router(routing: try routing(), worker: 1)
        #expect(try router.slots(for: record(3)) == 3..<5)
        #expect(try router.slots(for: record(4)) == 3..<4)
    }

    @Test(arguments: [0, 5, 65535])
    func anEdgeThatDoesNotLeaveTheStageIsRefused(edge: Int) throws {
        var router = Router(routing: try routing(), worker: 0)
        #expect(throws: StreamViolation.self) { try router.slots(for: record(edge)) }
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
