// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

/// Every job starts when the rules say, worked out again by counting seconds.
@Suite struct ReferenceScheduleTests {
    /// Says what a table says; the application is the row.
    struct Told: RunTimePredictor {
        var expected: [Int]

        func predict(_ job: JobTraits) -> RunTimePrediction { RunTimePrediction(expected[job.application], limit: job.limit) }
        func learn(_ job: JobTraits, runTime: Int, predicted: RunTimePrediction) {}
    }

    static let policies: [SchedulingPolicy] = [
        .firstComeFirstServed, .easy, .easyShortestFirst, .conservative, .wfp3,
        SchedulingPolicy(order: .arrival, backfill: .easy(shortestFirst: true), guardAge: 20),
        SchedulingPolicy(order: .wfp3, backfill: .easy(shortestFirst: false), guardAge: 15, promotionAge: 40),
    ]

    static func tasks(_ random: inout SeededGenerator, processors: Int) -> [ReferenceSchedule.Task] {
        let (gap, isTold) = (1 + random.below(8), random.chance(1, in: 2))
        var now = 0
        return (0..<4 + random.below(16)).map { _ in
            if random.chance(2, in: 3) { now += random.below(gap + 1) }
            let limit = 1 + random.below(25)
            return ReferenceSchedule.Task(
                submitted: now, runTime: random.chance(1, in: 2) ? limit : 1 + random.below(limit),
                processors: 1 + random.below(processors),
                limit: limit, expected: isTold ? 1 + random.below(limit) : limit)
        }
    }

    @Test(arguments: policies.indices) func everyJobStartsAtTheSameTime(_ index: Int) {
        let policy = Self.policies[index]
        var random = SeededGenerator(index)
        for round in 0..<80 {
            let (nodes, slots) = (1 + random.below(5), 1 + random.below(3))
            var tasks = Self.tasks(&random, processors: nodes * slots)
            if policy.backfill == .conservative { for id in tasks.indices { tasks[id].expected = tasks[id].limit } }
            let workload = Workload(
                tasks.enumerated().map { id, task in
                    Workload.Entry(
                        name: id, submitted: task.submitted, runTime: task.runTime,
                        traits: JobTraits(user: 0, application: id, ranks: task.processors, limit: task.limit))
                })
            let simulation = Simulation(
                workload, scheduler: Scheduler(policy: policy, machine: Machine(equalNodes(nodes, slots: slots))),
                foresight: .learned(Told(expected: tasks.map(\.expected))))
            let expected = ReferenceSchedule.starts(tasks, processors: nodes * slots, policy: policy)
            guard simulation.outcomes.map(\.started) == expected else {
                return #expect(simulation.outcomes.map(\.started) == expected, "policy \(index), round \(round)")
            }
        }
    }
}
