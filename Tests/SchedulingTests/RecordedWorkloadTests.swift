// SPDX-License-Identifier: Apache-2.0

import Foundation
import Prediction
import Scheduling
import Testing
import WorkflowModel

@Suite struct RecordedWorkloadTests {
    private static let noon = Date(timeIntervalSince1970: 1_750_000_000)
    private static let nodes =
        equalNodes(2, slots: 4, memory: 1000)
        + [ClusterNode(name: "g", cores: 4, memory: 4000, slots: 4, architecture: "aarch64", labels: ["gpu"])]

    /// - Parameter times: queued, started and ended, in seconds.
    private static func entry(
        _ times: (Double, Double, Double), ranks: Int = 1, memory: Int = 0, _ needs: RunNeeds = RunNeeds(timeLimit: 100),
        blocks: [RankBlock] = [], owner: String = "a@i", graph: String = "a/b@1", state: RunState = .succeeded
    ) throws -> HistoryEntry {
        HistoryEntry(
            run: RunID(milliseconds: UInt64(times.0), random: [UInt8](repeating: 0, count: 10)), attempt: 1, owner: owner,
            graph: try Reference(graph), resources: ResourceRequest(ranks: ranks, memoryPerRank: memory, needs: needs, blocks: blocks),
            state: state, queuedAt: noon + times.0, startedAt: noon + times.1, endedAt: noon + times.2)
    }

    private static func starts(_ history: RecordedWorkload, _ policy: NamedPolicy, _ foresight: Simulation.Foresight = .limit) -> [Int] {
        Simulation(history.workload, scheduler: Scheduler(policy: policy.policy, machine: Machine(nodes)), foresight: foresight)
            .outcomes.map(\.started)
    }

    @Test func anAttemptIsAJob() throws {
        let history = RecordedWorkload(
            [
                try Self.entry((5.2, 9.9, 29.8), ranks: 3, memory: 10, owner: "b@i", graph: "a/c@1"),
                try Self.entry((0.9, 1.1, 1.4), RunNeeds(), state: .cancelled),
                try Self.entry((6, 7, 300), ranks: 3, memory: 10, owner: "b@i", state: .failed),
            ], for: Machine(Self.nodes))
        let entries = history.workload.entries
        #expect(history.origin == 1_750_000_000 && history.leftOut.count == 0)
        #expect(entries.map(\.name) == [1, 2, 3] && entries.map(\.submitted) == [0, 5, 6] && history.starts == [1, 9, 7])
        #expect(entries.map(\.runTime) == [1, 20, 293] && history.states == [.cancelled, .succeeded, .failed])
        // What ended late, beyond its limit and the grace, had at least so long.
        #expect(
            entries.map(\.traits) == [
                JobTraits(user: 1, application: 1, ranks: 1, limit: 86_400), JobTraits(user: 2, application: 2, ranks: 3, limit: 115),
                JobTraits(user: 2, application: 1, ranks: 3, limit: 293),
            ])
        #expect(entries.map(\.isLimitAssumed) == [true, false, false])
        #expect(entries.map { $0.request.map { history.workload.requests[$0].ranks } } == [1, 3, 3])
        let actual = ScheduleMetrics(history.workload, history.outcomes, slots: 12)
        #expect(actual.jobs == 3 && actual.meanWait == 2 && actual.maximumWait == 4 && actual.makespan == 300)
        // From 0 to 6 a rank ran for one second.
        #expect(actual.utilisation == 1.0 / 72)
    }

    @Test func whatCouldNeverStartIsLeftOutForAReason() throws {
        let tooLarge = [try Self.entry((0, 0, 9), ranks: 13)]
        let neverFit = [
            try Self.entry((1, 1, 9), RunNeeds(labels: ["fpga"])), try Self.entry((2, 2, 9), RunNeeds(architecture: "ppc64le")),
            try Self.entry((3, 3, 9), memory: 4001), try Self.entry((4, 4, 9), ranks: 5, RunNeeds(labels: ["gpu"])),
            try Self.entry((5, 5, 9), ranks: 4, RunNeeds(nodes: 4)),
            try Self.entry((6, 6, 9), ranks: 6, blocks: [RankBlock(ranks: 1, labels: []), RankBlock(ranks: 5, labels: ["gpu"])]),
        ]
        let fit = [
            try Self.entry((7, 7, 9), ranks: 12), try Self.entry((8, 8, 9), memory: 4000),
            try Self.entry((9, 9, 19), ranks: 4, RunNeeds(labels: ["gpu"], architecture: "aarch64")),
            try Self.entry((9, 9, 19), ranks: 3, RunNeeds(nodes: 3)),
        ]
        let history = RecordedWorkload(tooLarge + neverFit + fit, for: Machine(Self.nodes))
        #expect(history.leftOut.tooLarge == 1 && history.leftOut.neverFits == neverFit.count)
        #expect(history.workload.entries.map(\.name) == [8, 9, 10, 11] && history.workload.entries.first?.submitted == 0)
        #expect(RecordedWorkload(tooLarge, for: Machine(Self.nodes)).workload.entries.isEmpty)
    }

    /// Three jobs for the one node with a GPU follow each other; by ranks alone all would start at once.
    @Test(arguments: NamedPolicy.allCases) func jobsKeepTheirNeeds(_ policy: NamedPolicy) throws {
        let gpu = RunNeeds(timeLimit: 100, labels: ["gpu"])
        let history = RecordedWorkload(
            try (0..<3).map { try Self.entry((Double($0), 500, 550), ranks: 3, gpu) } + [try Self.entry((3, 500, 550), ranks: 2)],
            for: Machine(Self.nodes))
        #expect(Self.starts(history, policy) == [0, 50, 100, policy == .firstComeFirstServed ? 100 : 3])
        let memory = RecordedWorkload(
            try (0..<3).map { try Self.entry((0, Double($0), Double($0 + 50)), ranks: 2, memory: 2000) }, for: Machine(Self.nodes))
        #expect(Self.starts(memory, policy) == [0, 50, 100])
        let spread = RecordedWorkload(
            try (0..<2).map { try Self.entry((0, Double($0), Double($0 + 50)), ranks: 9, RunNeeds(timeLimit: 100, nodes: 3)) },
            for: Machine(Self.nodes))
        #expect(Self.starts(spread, policy) == [0, 50])
    }

    /// The last is as wide and long as the one before it, and was submitted with it.
    @Test(arguments: NamedPolicy.allCases) func jobsKeepTheirPriorities(_ policy: NamedPolicy) throws {
        let history = RecordedWorkload(
            try [(0, nil), (1, nil), (1, .high)].map { (second: Double, priority: RunNeeds.Priority?) in
                try Self.entry((second, second, second + 50), ranks: 12, RunNeeds(timeLimit: 100, priority: priority))
            }, for: Machine(Self.nodes))
        #expect(Self.starts(history, policy) == (policy == .wfp3 || policy == .weft ? [0, 100, 50] : [0, 50, 100]))
    }

    /// Planned with an hour, as the server does it, and with what comes after, once that has passed.
    @Test func aJobWithoutALimitIsPlannedAsTheServerPlansIt() throws {
        #expect(PlannedLimit.seconds(RunTimePrediction(86_400, limit: 86_400), assumed: 86_400) == 3600)
        #expect(PlannedLimit.seconds(RunTimePrediction(10, limit: 20), assumed: 86_400) == 60)
        #expect(PlannedLimit.seconds(RunTimePrediction(500, limit: 1000), assumed: 86_400) == 2000)
        #expect(PlannedLimit.seconds(RunTimePrediction(500, limit: 1000), assumed: 1500) == 1500)

        // All 12 slots are wanted behind an open job of 2 hours. What takes 50 minutes starts in front of that, what takes 70 does not.
        let history = RecordedWorkload(
            [
                try Self.entry((0, 0, 7200), ranks: 6, RunNeeds()), try Self.entry((1, 1, 100), ranks: 12),
                try Self.entry((2, 2, 4202), ranks: 4, RunNeeds(timeLimit: 4200)),
                try Self.entry((3, 3, 3003), ranks: 4, RunNeeds(timeLimit: 3000)),
            ], for: Machine(Self.nodes))
        #expect(Self.starts(history, .easy) == [0, 7200, 7299, 3])
        for policy in NamedPolicy.allCases {
            let starts = Self.starts(history, policy, .learned(try #require(RunTimeSource.similar.predictor)))
            #expect(starts.allSatisfy { $0 >= 0 } && starts[0] == 0 && starts[1] >= 7200, "\(policy.rawValue): \(starts)")
        }
    }

    @Test func theLogIsReadAsItWasWritten() throws {
        let history = RecordedWorkload(
            [
                try Self.entry((0, 7, 50), ranks: 4, memory: 3), try Self.entry((3, 9, 19), ranks: 99),
                try Self.entry((4, 9, 19), owner: "b@i", graph: "a/c@1", state: .cancelled),
                try Self.entry((4, 9, 19), owner: "b@i", graph: "a/c@1", state: .failed),
            ], for: Machine(Self.nodes))
        let bytes = StandardWorkloadFormat.write(history, nodes: 3, slots: 12)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains("\n; UnixStartTime: 1750000000\n") && text.contains("\n; MaxNodes: 3\n"))
        #expect(
            text.split(separator: "\n").filter { !$0.hasPrefix(";") } == [
                "1 0 7 43 4 -1 -1 4 115 3072 1 1 -1 1 -1 -1 -1 -1", "3 4 5 10 1 -1 -1 1 115 -1 5 2 -1 2 -1 -1 -1 -1",
                "4 4 5 10 1 -1 -1 1 115 -1 0 2 -1 2 -1 -1 -1 -1",
            ])
        #expect(!text.contains("a@i") && !text.contains("a/b"))
        let read = try StandardWorkloadFormat.read(bytes)
        #expect(read.processors == 12 && read.entries.map(\.traits) == history.workload.entries.map(\.traits))
        #expect(read.entries.map(\.memoryPerRank) == [3, 0, 0])
    }
}
