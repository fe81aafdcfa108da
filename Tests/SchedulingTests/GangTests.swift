// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

/// All ranks of a job start together, on nodes that have room for each.
@Suite struct GangTests {
    static let mixed = [
        ClusterNode(name: "a", cores: 4, memory: 2000, slots: 4), ClusterNode(name: "b", cores: 4, memory: 3500, slots: 4),
        ClusterNode(name: "c", cores: 2, memory: 8000, slots: 2),
    ]

    @Test(arguments: NamedPolicy.allCases) func aGangOverThreeClassesWaitsForTheMemoryOfAll(_ policy: NamedPolicy) {
        var replay = Replay(
            [
                Replay.Entry(0, 100, ranks: 2, memory: 1000), Replay.Entry(1, 50, ranks: 6, memory: 1000),
                Replay.Entry(2, 10, ranks: 8, memory: 1000),
            ], policy.policy, nodes: Self.mixed)
        replay.finish()
        #expect(replay.starts == [0, 100, nil])
        let ranks = replay.shares[1].nodeOfRank.reduce(into: [0, 0, 0]) { $0[$1] += 1 }
        #expect(ranks.reduce(0, +) == 6)
        #expect(zip(ranks, [2, 3, 2]).allSatisfy { $0 <= $1 }, "\(ranks)")
    }

    @Test(arguments: NamedPolicy.allCases) func aJobWithoutMemoryNeedsSlotsAlone(_ policy: NamedPolicy) {
        // The first takes all memory of the node.
        let starts = Replay.starts(
            [Replay.Entry(0, 100, ranks: 1, memory: 1000), Replay.Entry(1, 10, ranks: 3)], policy.policy,
            nodes: equalNodes(1, slots: 4, memory: 1000))
        #expect(starts == [0, 1])
    }

    @Test(arguments: NamedPolicy.allCases) func ranksAreSpreadOverTheNodesAskedFor(_ policy: NamedPolicy) {
        var replay = Replay(
            [Replay.Entry(0, 10, ranks: 3, needs: RunNeeds(nodes: 3)), Replay.Entry(0, 10, ranks: 2, needs: RunNeeds(nodes: 4))],
            policy.policy, nodes: equalNodes(3, slots: 4, memory: 100))
        replay.finish()
        #expect(replay.starts == [0, nil])
        #expect(replay.shares[0].nodes == [0, 1, 2])
    }

    @Test(arguments: NamedPolicy.allCases) func ranksAreSpreadOverNodesWhoseMemoryIsNotCounted(_ policy: NamedPolicy) {
        let starts = Replay.starts(
            [Replay.Entry(0, 10, ranks: 3, needs: RunNeeds(nodes: 3))], policy.policy, nodes: equalNodes(3, slots: 4))
        #expect(starts == [0])
    }

    @Test(arguments: NamedPolicy.allCases) func labelsAreKept(_ policy: NamedPolicy) {
        let nodes = equalNodes(2, slots: 2, memory: 100) + [ClusterNode(name: "g", cores: 2, memory: 100, slots: 2, labels: ["gpu"])]
        var replay = Replay(
            [
                Replay.Entry(0, 100, ranks: 4, memory: 1), Replay.Entry(1, 10, ranks: 2, memory: 1, needs: RunNeeds(labels: ["gpu"])),
                Replay.Entry(2, 10, ranks: 1, memory: 1, needs: RunNeeds(labels: ["gpu"])),
                Replay.Entry(3, 10, ranks: 1, memory: 1, needs: RunNeeds(labels: ["fpga"])),
            ], policy.policy, nodes: nodes)
        replay.finish()
        #expect(replay.starts == [0, 1, 11, nil])
        #expect(replay.shares[1].nodes == [2] && !replay.shares[0].nodes.contains(2))
    }

    /// A job that no node suits has no place in the plan either.
    @Test(arguments: NamedPolicy.allCases) func aJobThatNoNodeSuitsHoldsNobodyBack(_ policy: NamedPolicy) {
        let starts = Replay.starts(
            [Replay.Entry(0, 100, ranks: 2, needs: RunNeeds(labels: ["fpga"])), Replay.Entry(1, 10, ranks: 2)], policy.policy,
            nodes: equalNodes(2))
        #expect(starts == [nil, 1])
    }

    @Test(arguments: NamedPolicy.allCases) func aGangThatLosesANodeIsQueuedAgainAsAWholeAndOnce(_ policy: NamedPolicy) throws {
        for spare in [0, 1] {
            var scheduler = Scheduler(policy: policy.policy, machine: Machine(equalNodes(3 + spare, slots: 2)))
            let gang = Job(id: 0, submitted: 0, ranks: 6, limit: 100)
            scheduler.submit(gang, at: 0)
            let lost = try #require(scheduler.pass(at: 0).first?.shares.nodes.min())
            scheduler.end(0, at: 50)
            scheduler.setUp(lost, false, at: 50)
            scheduler.submit(gang, at: 50)
            var started = scheduler.pass(at: 50)
            #expect(started.count == spare)
            if spare == 0 {
                #expect(scheduler.waiting == [gang] && scheduler.runningJobs.isEmpty)
                scheduler.setUp(lost, true, at: 80)
                started = scheduler.pass(at: 80)
            } else {
                #expect(!started.flatMap(\.shares).nodes.contains(lost))
            }
            #expect(started.map(\.job) == [gang] && started.flatMap(\.shares).nodeOfRank.count == 6)
            #expect(scheduler.waitingCount == 0 && scheduler.runningJobs.count == 1)
            #expect(scheduler.pass(at: 81).isEmpty)
        }
    }
}
