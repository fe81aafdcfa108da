// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

@Suite struct ForwardRunTests {
    /// Of 2 to 8 slots; limits and predictions are not the run times.
    struct Sample {
        var workload: Workload
        var expected: [Int]
        var nodes: [ClusterNode]

        init(_ seed: Int) {
            var random = SeededGenerator(seed)
            nodes = equalNodes(1 + random.below(4), slots: 2)
            let slots = 2 * nodes.count
            var now = 0
            var told: [Int] = []
            workload = Workload(
                (0..<10 + random.below(30)).map { id in
                    now += random.below(6)
                    let limit = 1 + random.below(60)
                    told.append(1 + random.below(limit))
                    return Workload.Entry(
                        name: id, submitted: now, runTime: 1 + random.below(limit),
                        traits: JobTraits(user: random.below(3), application: id, ranks: 1 + random.below(slots), limit: limit))
                })
            expected = told
        }

        func simulation(
            _ policy: SchedulingPolicy, forecaster: WaitForecaster? = nil, observe: (Int, borrowing Scheduler) -> Void = { _, _ in }
        ) -> Simulation {
            Simulation(
                workload, scheduler: Scheduler(policy: policy, machine: Machine(nodes)),
                foresight: policy.backfill == .conservative ? .limit : .learned(ReferenceScheduleTests.Told(expected: expected)),
                forecaster: forecaster, observe: observe)
        }
    }

    /// From each instant after the last submission on.
    @Test(arguments: NamedPolicy.allCases) func aRunWithTheTrueRunTimesIsWhatThenHappens(_ policy: NamedPolicy) {
        var compared = 0
        for seed in 0..<60 {
            let sample = Sample(seed)
            let entries = sample.workload.entries
            var runs: [(waiting: Set<Int>, run: ForwardRun)] = []
            let simulation = sample.simulation(policy.policy) { now, scheduler in
                guard now >= entries[entries.count - 1].submitted, scheduler.waitingCount > 0 else { return }
                let waiting = Set(scheduler.waiting.map(\.id))
                runs.append((waiting, ForwardRun(copy scheduler, from: now, until: waiting) { entries[$0.job.id].runTime }))
            }
            for (waiting, run) in runs {
                let starts = Dictionary(uniqueKeysWithValues: waiting.map { ($0, simulation.outcomes[$0].started) })
                guard run.starts == starts, run.isFinished else {
                    return #expect(run.starts == starts, "sample \(seed)")
                }
                compared += waiting.count
            }
        }
        #expect(compared > 500)
    }

    @Test func aRunEndsWithItsInstants() {
        var scheduler = Scheduler(policy: .easy, machine: Machine(equalNodes(1)))
        for id in 0..<10 { scheduler.submit(Job(id: id, submitted: 0, ranks: 1, limit: 10), at: 0) }
        _ = scheduler.pass(at: 0)
        let run = ForwardRun(scheduler, from: 0, until: [9], mostInstants: 3) { _ in 10 }
        #expect(run.starts == [1: 10, 2: 20, 3: 30] && run.reached == 30 && !run.isFinished)
        // The scheduler that was copied knows nothing of it.
        #expect(scheduler.waitingCount == 9)
    }

    @Test func aRunEndsWhereNothingHappensAnyMore() {
        var scheduler = Scheduler(policy: .easy, machine: Machine(equalNodes(1)))
        scheduler.submit(Job(id: 0, submitted: 0, ranks: 1, limit: 10), at: 0)
        scheduler.submit(Job(id: 1, submitted: 0, ranks: 2, limit: 10), at: 0)
        _ = scheduler.pass(at: 0)
        let run = ForwardRun(scheduler, from: 0, until: [1]) { _ in 10 }
        #expect(run.starts.isEmpty && run.isFinished)
    }
}
