// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

@Suite struct WhatIfTests {
    static let week = 604_800
    static let node = ClusterNode(name: "n", cores: 1, memory: 0, slots: 1)

    static func scheduler(_ nodes: Int, _ policy: SchedulingPolicy = .easy, ranks: [Int]) -> Scheduler {
        var scheduler = Scheduler(policy: policy, machine: Machine(equalNodes(nodes)))
        for (id, ranks) in ranks.enumerated() { scheduler.submit(Job(id: id, submitted: 0, ranks: ranks, limit: 100), at: 0) }
        _ = scheduler.pass(at: 0)
        return scheduler
    }

    static func whatIf(_ scheduler: Scheduler, past: [PastJob] = [], horizon: Int = 400) -> WhatIf {
        WhatIf(scheduler, at: 0, past: past, histories: RunTimeHistories(), horizon: horizon, futures: 2)
    }

    @Test func whoIsNotWaitedForEndsEarly() {
        let scheduler = Self.scheduler(2, ranks: [2, 1])
        let whatIf = WhatIf(scheduler, at: 0, past: [], histories: RunTimeHistories(), horizon: 400, futures: 64) { true }
        #expect(whatIf.answer().futures.isEmpty)
        let node = ClusterNode(name: "n", cores: 1, memory: 0, slots: 1)
        #expect(whatIf.fewestToAdd(like: node, from: 0, atMost: 1000, p95: 0) != nil)
    }

    /// Two nodes, both busy until 100; three jobs wait.
    @Test func waitsAreThoseOfTheChangedCluster() {
        let whatIf = Self.whatIf(Self.scheduler(2, ranks: [2, 1, 1, 1]))
        func figures(_ changes: [ClusterChange]) -> (mean: Double, p50: Int, p95: Int, used: Double) {
            let answer = whatIf.answer(changes)
            #expect(answer.futures.count == 2 && answer.all.jobs == 6 && answer.all.unstarted == 0)
            let all = answer.all
            return (all.meanWait, all.p50Wait, all.p95Wait, all.utilisation)
        }
        // 100, 100, 200.
        #expect(figures([]) == (400.0 / 3, 100, 200, 500.0 / 800))
        // 0, 100, 100; then 30, 100, 100.
        #expect(figures([.add(1, like: Self.node, from: 0)]) == (200.0 / 3, 100, 100, 500.0 / 1200))
        #expect(figures([.add(1, like: Self.node, from: 30)]) == (230.0 / 3, 100, 100, 500.0 / (800 + 370)))
        #expect(figures([.add(3, like: Self.node, from: 0)]) == (0, 0, 0, 500.0 / 2000))
        // 100, 200, 300: what runs on the drained node goes on.
        #expect(figures([.drain([1], by: 0)]) == (200, 200, 300, 1))
        // A job that starts there at 100 could run until 200.
        #expect(figures([.drain([1], by: 199)]) == (200, 200, 300, 500.0 / (800 - 201)))
        #expect(figures([.drain([1], by: 200)]) == (400.0 / 3, 100, 200, 500.0 / 600))
    }

    @Test func aJobThatNeverStartsWaitsForEver() {
        let answer = Self.whatIf(Self.scheduler(2, ranks: [2, 2])).answer([.drain([0], by: 0)])
        #expect(answer.all.unstarted == 2 && answer.all.p95Wait == .max && answer.all.meanWait == 0)
    }

    @Test func anotherPolicyOrdersTheQueueAnew() {
        // A wide job waits for both nodes; the one behind it may overtake it only by backfilling.
        var scheduler = Scheduler(policy: .firstComeFirstServed, machine: Machine(equalNodes(2)))
        for (id, ranks) in [1, 2, 1].enumerated() { scheduler.submit(Job(id: id, submitted: 0, ranks: ranks, limit: 100), at: 0) }
        _ = scheduler.pass(at: 0)
        let whatIf = Self.whatIf(scheduler)
        #expect(whatIf.answer().all.meanWait == 150)
        for policy in NamedPolicy.allCases where policy != .firstComeFirstServed && policy != .weft {
            #expect(whatIf.answer([.policy(policy.policy)]).all.meanWait == 50, "\(policy.rawValue)")
        }
    }

    /// A scheduler that goes on under another policy, or with more nodes, decides as one that has had them from the start.
    @Test(arguments: NamedPolicy.allCases) func aChangedSchedulerIsLikeANewOne(_ policy: NamedPolicy) {
        for seed in 0..<40 {
            let sample = ForwardRunTests.Sample(seed)
            var new = Scheduler(policy: policy.policy, machine: Machine(sample.nodes + [Self.node]))
            var old = Scheduler(policy: seed % 2 == 0 ? .weft : .conservative, machine: Machine(sample.nodes))
            for (id, entry) in sample.workload.entries.enumerated() {
                let job = Job(id: id, submitted: 0, ranks: entry.traits.ranks, limit: entry.traits.limit)
                new.submit(job, at: 0)
                old.submit(job, at: 0)
            }
            old.add([Self.node], at: 0)
            old.adopt(policy.policy, at: 0)
            #expect(old.machine.nodes == new.machine.nodes && old.pass(at: 0) == new.pass(at: 0))
            let all = Set(sample.workload.entries.indices)
            let entries = sample.workload.entries
            let runs = [old, new].map { ForwardRun($0, from: 0, until: all, mostInstants: 500) { entries[$0.job.id].runTime } }
            #expect(runs[0].starts == runs[1].starts, "sample \(seed)")
        }
    }

    /// One job a week, in its fifth hour.
    @Test func submissionsKeepTheirHourOfTheWeek() {
        let past = (0..<3).map { PastJob(Job(id: $0, submitted: $0 * Self.week + 5 * 3600 + 1 + $0, ranks: 1, limit: 100), runTime: 50) }
        let scheduler = Scheduler(policy: .easy, machine: Machine(equalNodes(1)))
        func jobs(from hour: Int, hours: Int) -> [Int] {
            let now = 3 * Self.week + hour * 3600
            return WhatIf(scheduler, at: now, past: past, histories: RunTimeHistories(), horizon: hours * 3600, futures: 8).answer()
                .futures.map(\.jobs)
        }
        #expect(jobs(from: 0, hours: 24).allSatisfy { $0 == 1 })
        #expect(jobs(from: 6, hours: 24).allSatisfy { $0 == 0 })
        #expect(jobs(from: 5, hours: 1).allSatisfy { $0 == 1 })
        #expect(jobs(from: 0, hours: 2 * 168).allSatisfy { $0 == 2 })
    }

    /// Four weeks of jobs for a machine that is a little too small.
    static func busy(_ policy: SchedulingPolicy, seed: UInt64 = 0) -> WhatIf {
        var random = SeededGenerator(5)
        var past: [PastJob] = []
        var histories = RunTimeHistories()
        for hour in 0..<4 * 168 {
            for _ in 0..<1 + random.below(5) {
                let run = 1 + random.below(7200)
                let job = Job(
                    id: past.count, submitted: hour * 3600 + past.count % 60, ranks: 1 + random.below(8), limit: 7200, expected: run,
                    user: random.below(4))
                past.append(PastJob(job, runTime: run))
                histories.learn(user: job.user, limit: job.limit, ranks: job.ranks, runTime: run)
            }
        }
        let now = 4 * week
        var scheduler = Scheduler(policy: policy, machine: Machine(equalNodes(14)))
        for id in 0..<20 { scheduler.submit(Job(id: 90_000 + id, submitted: now - 60, ranks: 1 + id % 8, limit: 7200), at: now) }
        _ = scheduler.pass(at: now)
        return WhatIf(scheduler, at: now, past: past, histories: histories, futures: 6, seed: seed)
    }

    @Test(arguments: NamedPolicy.allCases) func theSameSeedGivesTheSameAnswer(_ policy: NamedPolicy) {
        let answer = Self.busy(policy.policy).answer([.drain([3], by: 4 * Self.week + 7200)])
        #expect(answer == Self.busy(policy.policy).answer([.drain([3], by: 4 * Self.week + 7200)]))
        #expect(answer != Self.busy(policy.policy, seed: 1).answer([.drain([3], by: 4 * Self.week + 7200)]))
        #expect(Set(answer.futures.map(\.meanWait)).count == 6 && answer.all.jobs == answer.futures.reduce(0) { $0 + $1.jobs })
    }

    @Test func adviceIsTheSmallestChange() throws {
        let whatIf = Self.busy(.easy)
        let now = 4 * Self.week
        let added = (0...8).map { whatIf.answer($0 == 0 ? [] : [.add($0, like: Self.node, from: now)]).all }
        let target = (added[3].p95Wait + added[4].p95Wait) / 2
        let advice = try #require(whatIf.fewestToAdd(like: Self.node, from: now, atMost: 8, p95: target))
        #expect(advice.nodes == added.firstIndex { $0.p95Wait <= target } && advice.figures == added[advice.nodes])
        #expect(whatIf.fewestToAdd(like: Self.node, from: now, atMost: 2, p95: target) == nil)
        #expect(whatIf.fewestToAdd(like: Self.node, from: now, atMost: 8, p95: .max)?.nodes == 0)

        let drained = (0...3).map { whatIf.answer($0 == 0 ? [] : [.drain(Array(0..<$0), by: now)]).all }
        let least = try #require(whatIf.mostToDrain(Array(0..<3), by: now, p95: (drained[1].p95Wait + drained[2].p95Wait) / 2))
        #expect(least.nodes == 1 && least.figures == drained[1])
        #expect(whatIf.mostToDrain(Array(0..<3), by: now, p95: added[0].p95Wait - 1) == nil)
    }

    @Test func emptyNodesAreDrainedFirst() {
        var scheduler = Scheduler(policy: .easy, machine: Machine(equalNodes(3)))
        for (id, limit) in [200, 100].enumerated() { scheduler.submit(Job(id: id, submitted: 0, ranks: 1, limit: limit), at: 0) }
        let started = scheduler.pass(at: 0)
        let used = started.map { $0.shares[0].nodes.lowerBound }
        #expect(scheduler.nodesToDrain(like: Self.node) == [[0, 1, 2].first { !used.contains($0) }, used[1], used[0]])
        scheduler.setUp(2, false, at: 0)
        #expect(scheduler.nodesToDrain(like: Self.node).contains(2) == false)
    }
}
