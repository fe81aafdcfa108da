// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Scheduling
import Testing
import WorkflowModel

@testable import Commands

struct SimulateCommandTests {
    private func parse(_ words: String) throws -> SimulateCommand {
        try #require(try Weft.parseAsRoot(words.split(separator: " ").map(String.init)) as? SimulateCommand)
    }

    @Test func aLogOrAHistoryIsAskedFor() throws {
        let log = try parse("simulate log.swf --policy easy --nodes 4")
        #expect(log.trace == "log.swf" && !log.replay && log.policy == .easy && log.nodes == 4 && log.slotsPerNode == nil)
        let replay = try parse("simulate --replay --since -7d --until 2026-11-01T00:00:00Z --predictor tsafrir --server http://h")
        #expect(replay.trace == nil && replay.replay && replay.since == .after(-604_800) && replay.predictor == .tsafrir)
        #expect(try parse("simulate - --slots-per-node 2").trace == "-")
    }

    @Test(arguments: [
        ("simulate", "--replay"), ("simulate log.swf --replay", "'log.swf'"), ("simulate log.swf --since -7d", "--since and --until"),
        ("simulate log.swf --until now", "--since and --until"), ("simulate log.swf --server http://h", "--server"),
        ("simulate --replay --since yesterday", "'yesterday'"), ("simulate --replay --nodes 0", "--nodes"),
        ("simulate --replay --slots-per-node 0", "--slots-per-node"), ("simulate --replay --node-memory 0", "--node-memory"),
    ])
    func wrongUsageExitsWithTwo(words: String, name: String) {
        #expect {
            _ = try parse(words)
        } throws: { error in
            ExitStatus(of: error) == .usage && Weft.message(for: error).contains(name)
        }
    }

    @Test func theMachineIsTheClusterOrMoreOfIt() {
        let cluster = [
            ClusterNode(name: "a", state: .drained, reason: "disk", cores: 8, memory: 100, slots: 4, labels: ["gpu"]),
            ClusterNode(name: "b", state: .down, cores: 4, memory: 50, slots: 2),
        ].allUp
        #expect(cluster.map(\.state) == [.up, .up] && cluster.map(\.reason) == [nil, nil] && cluster.slots == 6)
        #expect(cluster.altered(count: nil, slots: nil, memory: nil) == cluster)
        let more = cluster.altered(count: 5, slots: nil, memory: 70)
        #expect(more.map(\.name) == ["a", "b", "a-2", "b-2", "a-3"] && more.map(\.slots) == [4, 2, 4, 2, 4])
        #expect(more.allSatisfy { $0.memory == 70 } && more[2].labels == ["gpu"])
        #expect(cluster.altered(count: 1, slots: 9, memory: nil).map(\.slots) == [9])
        #expect([ClusterNode]().altered(count: 3, slots: 1, memory: 1).isEmpty)
    }

    @Test func whatHappenedStandsBesideTheReplay() throws {
        let noon = Date(timeIntervalSince1970: 1_750_000_000)
        func entry(_ queued: Double, _ started: Double, ranks: Int) throws -> HistoryEntry {
            HistoryEntry(
                run: RunID(milliseconds: 0, random: [UInt8](repeating: 0, count: 10)), attempt: 1, owner: "a@i",
                graph: try Reference("a/b@1"),
                resources: ResourceRequest(ranks: ranks, memoryPerRank: 0, needs: RunNeeds(timeLimit: 100)), state: .succeeded,
                queuedAt: noon + queued, startedAt: noon + started, endedAt: noon + started + 40)
        }
        let machine = Machine([ClusterNode(name: "n", cores: 2, memory: 0, slots: 2)])
        let history = RecordedWorkload(
            [try entry(0, 20, ranks: 2), try entry(100, 160, ranks: 1), try entry(101, 102, ranks: 3)], for: machine)
        let simulation = Simulation(history.workload, scheduler: Scheduler(policy: .easy, machine: machine), foresight: .limit)
        let report = ReplayReport(history, slots: 4)
        #expect(
            report.description(beside: ScheduleMetrics(history.workload, simulation.outcomes, slots: 2)) == """
                History   3 attempts, queued from 2025-06-15 15:06:40Z to 2025-06-15 15:08:20Z
                Left out  1 too large (more ranks than there are slots), 0 that never fit (labels, architecture, memory or nodes)

                        MEAN WAIT  MEDIAN   P95  LONGEST  SLOWDOWN  UTILISATION
                ACTUAL     40.0 s    60 s  60 s     60 s       2.0       20.0 %
                REPLAY      0.0 s     0 s   0 s      0 s       1.0       40.0 %
                """)
        let document = try WireJSON.decode(JSONValue.self, from: try WireJSON.encode(report))
        #expect(document["left_out"] == ["too_large": 1, "never_fits": 0] && document["attempts"] == 3)
        #expect(document["actual"]?["mean_wait"] == 40 && document["first_queued"] == "2025-06-15T15:06:40.000Z")
    }
}
