// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

/// Who overtakes whom: by the order of the queue, by predictions, and until the guard.
@Suite struct OvertakingTests {
    static let nodes = equalNodes(10)

    /// The second and the last were promised starts that the first, who runs beyond its limit, lets both miss.
    @Test func twoThatMissedTheirPromisesDoNotWaitForEachOther() {
        let jobs = [
            Replay.Entry(0, 1000, ranks: 9, limit: 100), Replay.Entry(1, 50, ranks: 10), Replay.Entry(2, 5000, ranks: 1),
            Replay.Entry(30, 1, ranks: 10),
        ]
        var replay = Replay(jobs, .weft, nodes: Self.nodes)
        var promised: Set<Int> = []
        var missed: Set<Int> = []
        while replay.step() != nil {
            let both = [1, 3].filter { replay.scheduler.promisedStart(of: $0) != nil }
            if both.count == 2 { promised = Set(both) }
            missed.formUnion(replay.scheduler.missedPromises)
        }
        #expect(promised == [1, 3] && missed == [1, 3], "\(promised), \(missed)")
        #expect([1, 3].contains { replay.starts[$0] == 1000 } && !replay.starts.contains(nil), "\(replay.starts)")
    }

    /// Both were promised the whole of a node for the same time, each its part: the second starts at once where its part is free.
    @Test func whoWasPromisedTheSameStartAsAnotherMayComeBefore() {
        let nodes = [
            ClusterNode(name: "a", cores: 10, memory: 0, slots: 10, labels: ["a"]), ClusterNode(name: "b", cores: 1, memory: 0, slots: 1),
        ]
        var scheduler = Scheduler(policy: .weft, machine: Machine(nodes))
        let demand = scheduler.demand(of: ResourceRequest(ranks: 1, memoryPerRank: 0, needs: RunNeeds(labels: ["a"])))
        for (id, ranks) in [8, 2].enumerated() {
            let job = Job(id: id, submitted: 0, ranks: ranks, demand: demand, limit: 1000)
            scheduler.resume(RunningJob(job: job, started: 0, shares: [Share(node: 0, ranks: ranks)]), at: 0)
        }
        for (id, ranks) in [(2, 8), (3, 2)] {
            scheduler.submit(Job(id: id, submitted: 0, ranks: ranks, demand: demand, limit: 1000 * id), at: 0)
            scheduler.promise(id, at: 1500, now: 0)
        }
        #expect(scheduler.pass(at: 0).isEmpty)
        #expect([2, 3].map { scheduler.promisedStart(of: $0) } == [1500, 1500])
        scheduler.end(1, at: 100)
        #expect(scheduler.pass(at: 100).map(\.job.id) == [3])
    }

    @Test(arguments: NamedPolicy.allCases) func allThatFitStartInOnePass(_ policy: NamedPolicy) {
        let starts = Replay.starts((0..<1000).map { _ in Replay.Entry(0, 10, ranks: 1) }, policy.policy, nodes: equalNodes(1000))
        #expect(starts.allSatisfy { $0 == 0 })
    }

    @Test func aPredictionThatIsTooLowDelaysTheHeadUntilTheGuardSeesTheLimit() {
        let jobs = [
            Replay.Entry(0, 100, ranks: 6), Replay.Entry(1, 10, ranks: 10), Replay.Entry(60, 500, ranks: 4, limit: 1000, expected: 10),
        ]
        func starts(_ guardAge: Int?) -> [Int?] {
            Replay.starts(jobs, .init(order: .arrival, backfill: .easy(shortestFirst: false), guardAge: guardAge), nodes: Self.nodes)
        }
        #expect(starts(nil) == [0, 560, 60])
        #expect(starts(60) == [0, 560, 60])
        // The head has waited 59 s at 60.
        #expect(starts(59) == [0, 100, 110])
    }

    @Test func theGuardCountsRunningJobsUpToTheirLimitsToo() {
        // By predictions the head starts at 20 and the third would delay it; by limits it starts at 100.
        let jobs = [
            Replay.Entry(0, 30, ranks: 6, limit: 100, expected: 20), Replay.Entry(1, 10, ranks: 10), Replay.Entry(10, 50, ranks: 4),
        ]
        func starts(_ guardAge: Int?) -> [Int?] {
            Replay.starts(jobs, .init(order: .arrival, backfill: .easy(shortestFirst: false), guardAge: guardAge), nodes: Self.nodes)
        }
        #expect(starts(nil) == [0, 70, 20])
        #expect(starts(5) == [0, 60, 10])
    }

    @Test func aLongHeadIsNoHeadForLong() {
        let jobs = [Replay.Entry(0, 100, ranks: 10), Replay.Entry(1, 10_000, ranks: 10), Replay.Entry(2, 100, ranks: 10)]
        #expect(Replay.starts(jobs, .easy, nodes: Self.nodes) == [0, 100, 10_100])
        #expect(Replay.starts(jobs, .wfp3, nodes: Self.nodes) == [0, 200, 100])
    }

    @Test func aJobThatHasWaitedLongComesBeforeAll() {
        let jobs = [Replay.Entry(0, 100, ranks: 10), Replay.Entry(1, 10_000, ranks: 10), Replay.Entry(2, 100, ranks: 10)]
        var policy = SchedulingPolicy.wfp3
        policy.promotionAge = 99
        #expect(Replay.starts(jobs, policy, nodes: Self.nodes) == [0, 100, 10_100])
        policy.promotionAge = 100
        #expect(Replay.starts(jobs, policy, nodes: Self.nodes) == [0, 200, 100])
    }

    @Test func aHeavierJobComesFirst() {
        let jobs = [Replay.Entry(0, 10, ranks: 10), Replay.Entry(1, 20, ranks: 10), Replay.Entry(1, 20, ranks: 10, weight: 2)]
        #expect(Replay.starts(jobs, .wfp3, nodes: Self.nodes) == [0, 30, 10])
    }

    @Test func aJobThatIsWithdrawnMakesRoom() {
        let jobs = [Replay.Entry(0, 100, ranks: 6), Replay.Entry(1, 10, ranks: 10), Replay.Entry(2, 200, ranks: 4)]
        for policy in NamedPolicy.allCases {
            let starts = Replay.starts(jobs, policy.policy, nodes: Self.nodes, changes: [.init(50, .withdraw(1))])
            #expect(starts == [0, nil, 50], "\(policy.rawValue)")
        }
    }

    @Test func whatTakesNothingAwayBreaksNoPromise() {
        var scheduler = Scheduler(policy: .weft, machine: Machine(equalNodes(2)))
        for (id, ranks) in [(0, 1), (1, 2)] { scheduler.submit(Job(id: id, submitted: 0, ranks: ranks, limit: 100), at: 0) }
        _ = scheduler.pass(at: 0)
        #expect(scheduler.promisedStart(of: 1) == 200)
        scheduler.submit(Job(id: 2, submitted: 1, ranks: 1, limit: 5000, expected: 1), at: 1)
        scheduler.setWindows([], at: 10)
        #expect(scheduler.pass(at: 10).isEmpty)
        #expect(scheduler.promisedStart(of: 1) == 200)
    }
}
