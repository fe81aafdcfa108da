// SPDX-License-Identifier: Apache-2.0

import Foundation
import Identity
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// What a run has cost is known to the next one.
    @Suite struct PlanningTests {
        @Test func theSecondRunIsPlannedByTheFirst() async throws {
            let weft = try await Installation.start()
            let graph = try await weft.register("word_count")
            func submit(_ lines: Int, _ options: [String]) async throws -> Run {
                let inputs = weft.folder + "/inputs.json"
                let text = (0..<lines).map { "a\($0 % 7) b\($0 % 11) c" }.joined(separator: "\n")
                try WireJSON.encode(["Lines": [["input": text]]]).withUnsafeBytes { try Data($0).write(to: URL(filePath: inputs)) }
                let run = try await weft.submit([graph, "-f", inputs] + options)
                try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
                return try await weft.show(run)
            }

            let before = try await weft.json(PlannedRun.self, ["plan", graph, "--deadline", "10m"])
            #expect(before.alternatives == nil && before.predictions.isEmpty)
            #expect(before.plan.reasons.contains { $0.contains("nothing is known") })

            let first = try await submit(500, ["-n", "2"])
            #expect(first.predictions == nil)
            let second = try await submit(1000, ["-n", "2"])
            #expect(second.plan?.reasons.contains { $0.contains("learned from 1 run (\(first.id))") } == true)
            let time = try #require(second.predictions?.first { $0.kind == .runTime })
            #expect(time.basis == .sameOnClass && time.runs == [first.id])
            #expect(time.p50 > 0 && time.p50 <= time.p95 && time.actual ?? 0 > 0)
            let memory = try #require(second.predictions?.first { $0.kind == .memoryPerRank })
            #expect(memory.p50 > 10, "a Python worker and its rank")
            let calls = try #require(second.predictions?.first { $0.kind == .calls && $0.element == "Split1" })
            #expect(calls.actual == 1000)
            let metrics = try await weft.metrics()
            for kind in ["run_time", "memory_per_rank"] {
                let labels = #"basis="same_on_class",kind="\#(kind)""#
                #expect(metrics["weft_prediction_ratio_count{\(labels)}"] == 1, "\(kind)")
                let isWithin = try #require(second.predictions?.first { $0.kind.rawValue == kind }).isWithinP95
                #expect(metrics[#"weft_predictions_scored_total{\#(labels),within_p95="\#(isWithin)"}"#] == 1, "\(kind)")
            }
            #expect(metrics["weft_scheduler_started_total"] == 2)
            #expect(metrics["weft_scheduler_pass_seconds_count"].map { $0 >= 2 } == true)

            // Another user learns from these runs, and not who ran them.
            let bob = ["WEFT_TOKEN": try await SecurityTests().issuer(of: weft).token(subject: "bob", scopes: [.read, .submit])]
            let result = try await weft.weft(["plan", graph, "-n", "2", "--explain", "-o", "json"], environment: bob)
            let his = try WireJSON.decode(PlannedRun.self, from: result.output.utf8)
            #expect(his.predictions.first { $0.kind == .runTime }?.others == 2 && !result.output.contains("run_01"), "\(result)")
            #expect(his.plan.reasons.contains { $0.contains("learned from 2 runs of other users") })

            let planned = try await weft.json(PlannedRun.self, ["plan", graph, "--max-ranks", "2", "--explain"])
            #expect(planned.alternatives?.count(where: \.isChosen) == 1)
            let told = try await weft.weft(["plan", graph, "-n", "auto", "--explain"])
            #expect(told.output.contains("chosen") && told.output.contains("seconds_per_call"), "\(told)")
            let alone = try await weft.json(PlannedRun.self, ["plan", graph, "-n", "2", "--no-history"])
            #expect(!alone.plan.reasons.contains { $0.contains("learned") })
            let refused = try await weft.weft(["plan", graph, "--max-ranks", "100000", "--budget", "1e-9"])
            #expect(refused.output.contains("no number of ranks keeps to"), "\(refused)")

            // A number beyond all that was seen.
            for number in ["1e21", "1.7e308"] {
                let odd = try await weft.weft(["plan", graph, "-n", "2", "-d", #"{"Lines": [{"input": "\#(number)"}]}"#])
                #expect(odd.status == 0, "\(odd)")
            }
            await weft.down()
        }

        @Test func onAFullClusterMoreRanksWaitLonger() async throws {
            let weft = try await Installation.start(["--slots", "2"])
            let graph = try await weft.register("slow")
            let short = #"{"Numbers": [{"count": 10, "seconds": 0.01}]}"#
            try await weft.wait(for: try await weft.submit([graph, "-d", short, "-n", "2"]), toBe: .succeeded, seconds: 60)
            let plan = ["plan", graph, "-d", short, "--max-ranks", "2", "--deadline", "1h"]

            let empty = try await weft.json(PlannedRun.self, plan)
            #expect(empty.nodes == 1 && empty.wait == Alternative.Range(p50: 0, p95: 0), "\(empty)")
            #expect(empty.plan.reasons.contains("submitted now, it would start at once"))

            var running: [String] = []
            for limit in ["1h", "2h"] {
                let inputs = #"{"Numbers": [{"count": 10000, "seconds": 1}]}"#
                running.append(try await weft.submit([graph, "-d", inputs, "-n", "1", "--time-limit", limit]))
            }
            for run in running { try await weft.wait(for: run, toBe: .running) }
            let full = try await weft.json(PlannedRun.self, plan)
            let alternatives = try #require(full.alternatives)
            #expect(alternatives.map(\.ranks) == [1, 2] && alternatives.map(\.nodes) == [1, 1], "\(full)")
            let (narrow, wide) = (try #require(alternatives[0].wait), try #require(alternatives[1].wait))
            #expect(0 < narrow.p50 && narrow.p50 < wide.p50 && narrow.p95 <= wide.p95, "\(alternatives)")
            #expect(full.wait == alternatives.first(where: \.isChosen)?.wait)
            #expect(full.plan.reasons.contains { $0.hasPrefix("submitted now, it is expected to wait for") })
            let told = try await weft.weft(plan)
            #expect(told.output.contains("WAIT+RUN") && told.output.contains(", 1 node\n"), "\(told)")
            let submitter = ["WEFT_TOKEN": try await SecurityTests().issuer(of: weft).token(subject: "bob", scopes: [.submit])]
            let result = try await weft.weft(plan + ["-o", "json"], environment: submitter)
            let blind = try WireJSON.decode(PlannedRun.self, from: result.output.utf8)
            #expect(blind.nodes == nil && blind.wait == nil && blind.plan.reasons.contains { $0.contains("weft.read") }, "\(result)")
            // Nothing is kept of it.
            let submitted = try await weft.submit([graph, "-d", short, "-n", "1"])
            #expect(try await weft.show(submitted).plan?.reasons.contains { $0.contains("submitted now") } == false)
            for run in running + [submitted] { _ = try await weft.weft(["run", "cancel", run]) }
            await weft.down()
        }
    }
}

extension Prediction {
    fileprivate var isWithinP95: Bool { actual.map { $0 <= p95 } ?? false }
}
