// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

/// Schedules on ten processors whose start times were worked out by hand.
@Suite struct HandMadeScheduleTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        /// Submission, run time, ranks and, where it is another than the run time, the limit.
        var jobs: [[Int]]
        var starts: [NamedPolicy: [Int]]
        var testDescription: String { name }

        init(_ name: String, _ jobs: [[Int]], _ starts: [NamedPolicy: [Int]]) {
            self.name = name
            self.jobs = jobs
            self.starts = starts
        }

        var entries: [Replay.Entry] { jobs.map { Replay.Entry($0[0], $0[1], ranks: $0[2], limit: $0.count > 3 ? $0[3] : nil) } }
    }

    static let cases = [
        Case(
            "a hole", [[0, 100, 6], [1, 100, 8], [2, 98, 4], [3, 50, 2], [4, 1000, 2]],
            [
                .firstComeFirstServed: [0, 100, 200, 200, 200], .easy: [0, 100, 2, 100, 150], .conservative: [0, 100, 2, 100, 150],
            ]),
        Case(
            "a head that needs all", [[0, 10, 5], [1, 10, 10], [2, 20, 5], [2, 8, 5]],
            [.easy: [0, 10, 20, 2], .conservative: [0, 10, 20, 2]]),
        Case(
            "two holes", [[0, 100, 4], [0, 10, 6], [1, 100, 8], [2, 50, 7], [3, 85, 6]],
            [.easy: [0, 0, 100, 200, 10], .conservative: [0, 0, 100, 200, 10]]),
        Case(
            "what the head leaves", [[0, 10, 6], [0, 10, 8], [0, 30, 4], [0, 1000, 2]],
            [.easy: [0, 10, 20, 0], .conservative: [0, 10, 20, 0]]),
        Case(
            "one reservation, or all", [[0, 10, 8], [0, 10, 8], [0, 10, 10], [0, 25, 2]],
            [.easy: [0, 10, 25, 0], .conservative: [0, 10, 20, 30]]),
        Case(
            "early ends", [[0, 10, 10, 100], [0, 10, 10, 100], [0, 10, 10, 50]],
            [.firstComeFirstServed: [0, 10, 20], .easy: [0, 10, 20], .conservative: [0, 10, 20]]),
        Case("an early end and a backfilled job", [[0, 10, 6, 100], [0, 10, 6, 100], [0, 10, 4, 100]], [.easy: [0, 10, 0]]),
        Case(
            "the shortest first", [[0, 100, 6], [1, 10, 8], [2, 80, 4], [2, 20, 4]],
            [.easy: [0, 100, 2, 110], .easyShortestFirst: [0, 100, 110, 2]]),
    ]

    /// However the processors are divided, and whether they are counted as one pool or by node.
    static let machines = [
        equalNodes(1, slots: 10), equalNodes(10), equalNodes(5, slots: 2), equalNodes(5, slots: 2, memory: 1000, labels: ["x"]),
        equalNodes(5, slots: 2, labels: ["x"]),
    ]

    @Test(arguments: cases) func jobsStartWhenTheyShould(_ sample: Case) {
        for (policy, expected) in sample.starts {
            for (index, nodes) in Self.machines.enumerated() {
                let starts = Replay.starts(sample.entries, policy.policy, nodes: nodes)
                #expect(starts == expected, "\(sample.name), \(policy.rawValue), machine \(index)")
            }
        }
    }

    @Test(arguments: cases) func theSimulationStartsThemAtTheSameTimes(_ sample: Case) {
        let workload = Workload(
            sample.entries.enumerated().map { id, entry in
                Workload.Entry(
                    name: id, submitted: entry.submitted, runTime: entry.runTime,
                    traits: JobTraits(user: 1, ranks: entry.ranks, limit: entry.limit))
            })
        for (policy, expected) in sample.starts {
            let scheduler = Scheduler(policy: policy.policy, machine: Machine(equalNodes(10)))
            #expect(Simulation(workload, scheduler: scheduler, foresight: .limit).outcomes.map(\.started) == expected)
        }
    }

    @Test func aPredictionIsCorrectedWhenTheJobOutlivesIt() {
        // 10 s + 60 s, then + 240 s up to the limit.
        let jobs = [
            Replay.Entry(0, 100, ranks: 6, limit: 200, expected: 10, corrections: [70, 200]), Replay.Entry(1, 50, ranks: 8),
            Replay.Entry(2, 60, ranks: 4),
        ]
        #expect(Replay.starts(jobs, .easy, nodes: equalNodes(10)) == [0, 100, 10])
    }

    @Test func namedPoliciesGoByTheirNames() {
        #expect(NamedPolicy.allCases.map(\.rawValue) == ["fcfs", "easy", "easy_sjbf", "easy++", "wfp3", "conservative", "weft"])
        #expect(NamedPolicy.easyPlusPlus.policy == .easyShortestFirst && NamedPolicy.easyPlusPlus.source == .tsafrir)
        #expect(NamedPolicy.wfp3.policy.guardAge == 86_400 && NamedPolicy.wfp3.policy.promotionAge == 259_200)
        #expect(NamedPolicy.weft.source == .similar && NamedPolicy.conservative.source == .user)
    }
}
