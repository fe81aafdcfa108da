// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPClient
import Identity
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// `weft simulate --replay`: what a server has run, under another policy.
    @Suite(.serialized) struct ReplayTests {
        /// Figures of a schedule.
        private struct Figures: Decodable {
            var meanWait: Double
            var maximumWait: Int

            private enum CodingKeys: String, CodingKey {
                case meanWait = "mean_wait"
                case maximumWait = "maximum_wait"
            }
        }

        private struct Report: Decodable {
            struct History: Decodable { var actual: Figures }
            var history: History
        }

        private func rows(_ folder: String, _ name: String) throws -> [[Int]] {
            try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8).split(separator: "\n").dropFirst().map {
                $0.split(separator: ",").compactMap { Int($0) }
            }
        }

        private func history(_ weft: Installation, _ query: String = "", token: String? = nil) async throws -> Page<HistoryEntry> {
            let token = if let token { token } else { try await weft.token() }
            let answer = try await SecurityTests().send("GET", "/api/v1/history" + query, token: token, to: weft)
            guard answer.status == 200 else { throw try WireJSON.decode(Problem.self, from: answer.body) }
            return try WireJSON.decode(Page<HistoryEntry>.self, from: answer.body)
        }

        @Test func whatRanIsPlayedAgain() async throws {
            let weft = try await Installation.start(["--slots", "3"])
            let graph = try await weft.register("slow")
            func submit(_ seconds: Int, _ options: String) async throws -> String {
                try await weft.submit(
                    [graph, "-d", #"{"Numbers": [{"count": \#(seconds), "seconds": 1}]}"#] + options.split(separator: " ").map(String.init))
            }
            // The machine is full until the first is cancelled; those behind it have waited by then.
            let cancelled = try await submit(600, "-n 3 --time-limit 1h")
            try await weft.wait(for: cancelled, toBe: .running)
            let waiting = [
                try await submit(2, "-n 2 --time-limit 10m"), try await submit(2, "-n 2 --time-limit 10m --nodes 1"),
                try await submit(2, "-n 3 --time-limit 10m"),
            ]
            let never = try await submit(1, "-n 1")
            _ = try await weft.weft(["run", "cancel", never])
            try await wait(for: "the clock to go on", seconds: 30) {
                try await weft.show(cancelled).startedAt.map { $0.timeIntervalSinceNow < -4 } == true
            }
            _ = try await weft.weft(["run", "cancel", cancelled])
            for run in waiting { try await weft.wait(for: run, toBe: .succeeded, seconds: 60) }

            let entries = try await history(weft).items
            #expect(entries.map(\.run.description) == [cancelled] + waiting)
            #expect(entries.map(\.state) == [.cancelled, .succeeded, .succeeded, .succeeded])
            #expect(entries.map(\.resources.ranks) == [3, 2, 2, 3] && entries.map(\.resources.needs.nodes) == [nil, nil, 1, nil])
            #expect(entries.allSatisfy { $0.owner.contains("@") && $0.graph.description == "test/slow@1" && $0.nodes?.isEmpty == false })
            let first = try await history(weft, "?page_size=3")
            let rest = try await history(weft, "?page_size=3&cursor=\(first.next ?? "")")
            #expect(first.items + rest.items == entries && rest.next == nil)
            #expect(try await history(weft, "?since=\(WireJSON.format(entries[2].queuedAt))").items.first?.run == entries[2].run)
            #expect(try await history(weft, "?until=\(WireJSON.format(entries[0].queuedAt))").items.isEmpty)

            // First come, first served on three slots: no two of these runs are ever side by side.
            let out = weft.folder + "/replayed"
            let result = try await weft.weft(["simulate", "--replay", "--policy", "fcfs", "--out", out])
            #expect(result.status == 0 && result.error.contains("4 attempts loaded"), "\(result)")
            #expect(
                result.output.contains("\nACTUAL ") && result.output.contains("\nREPLAY ") && result.output.contains("1 nodes, 3 slots"))
            let origin = Int(entries[0].queuedAt.timeIntervalSince1970)
            var free = 0
            let expected = entries.enumerated().map { index, entry in
                let submitted = Int(entry.queuedAt.timeIntervalSince1970) - origin
                let start = max(submitted, free)
                free = start + max(1, Int(entry.endedAt.timeIntervalSince1970) - Int(entry.startedAt.timeIntervalSince1970))
                return [index + 1, submitted, start, free]
            }
            #expect(try rows(out, "schedule.csv") == expected)
            let metrics = try WireJSON.decode(JSONValue.self, from: try Data(contentsOf: URL(filePath: out + "/metrics.json")))
            let waits = entries.map { Int($0.startedAt.timeIntervalSince1970) - Int($0.queuedAt.timeIntervalSince1970) }
            let actual = try WireJSON.decode(Report.self, from: try Data(contentsOf: URL(filePath: out + "/metrics.json"))).history.actual
            #expect(actual.meanWait == Double(waits.reduce(0, +)) / 4 && actual.maximumWait == waits.max() && actual.maximumWait >= 4)
            #expect(metrics["history"]?["left_out"] == ["too_large": 0, "never_fits": 0])
            #expect(metrics["metrics"]?["jobs"] == 4 && metrics["metrics"]?["unstarted"] == 0)

            // The log that it leaves says the same to whoever reads it.
            let log = try await weft.weft(["simulate", out + "/history.swf", "--policy", "fcfs", "--out", out + "/again"])
            #expect(log.status == 0 && log.error.isEmpty, "\(log)")
            #expect(try rows(out + "/again", "schedule.csv") == expected)

            // On twice the nodes two runs are side by side; on smaller ones some never fit.
            let wide = try await weft.json(
                [String: JSONValue].self, ["simulate", "--replay", "--policy", "fcfs", "--nodes", "2", "--out", out + "/wide"])
            #expect(wide["nodes"] == 2 && wide["slots"] == 6)
            #expect(try rows(out + "/wide", "schedule.csv")[1][2] == expected[1][1])
            let small = try await weft.json([String: JSONValue].self, ["simulate", "--replay", "--nodes", "2", "--slots-per-node", "1"])
            #expect(small["history"]?["left_out"] == ["too_large": 2, "never_fits": 1] && small["history"]?["attempts"] == 4)
            #expect(small["metrics"]?["jobs"] == 1)
            let late = try await weft.json(
                [String: JSONValue].self, ["simulate", "--replay", "--since", WireJSON.format(entries[3].queuedAt), "--until", "+1h"])
            #expect(late["history"]?["attempts"] == 1 && late["metrics"]?["mean_wait"] == 0)
            await weft.down()
        }

        @Test func whatCannotBePlayedIsRefused() async throws {
            let weft = try await Installation.start(["--slots", "1"])
            func expect(_ command: String, exits status: Int, saying words: String..., token: String? = nil) async throws {
                let result = try await weft.weft(
                    command.split(separator: " ").map(String.init), environment: token.map { ["WEFT_TOKEN": $0] } ?? [:])
                #expect(result.status == status && result.output.isEmpty, "\(command): \(result)")
                for word in words { #expect(result.error.contains(word), "\(command): \(result)") }
            }
            try await expect("simulate --replay", exits: 1, saying: "Nothing is there to replay", "started and ended")
            let run = try await weft.submit([try await weft.register("quick"), "--time-limit", "10m"])
            try await weft.wait(for: run, toBe: .succeeded)
            try await expect("simulate --replay --since +1h", exits: 1, saying: "Nothing is there to replay", "since 20")
            try await expect("simulate --replay --since now --until -7d", exits: 1, saying: "until", "since")
            try await expect("simulate log.swf --replay", exits: 2, saying: "Either a log or --replay")
            try await expect("simulate", exits: 2, saying: "--replay")
            try await expect("simulate --replay --node-memory 1", exits: 1, saying: "none could ever start", "never fit")

            let reader = try await SecurityTests().issuer(of: weft).token(subject: "bob", scopes: [.read, .submit])
            try await expect("simulate --replay", exits: 4, saying: "weft.admin", token: reader)
            let problem = await #expect(throws: Problem.self) { try await history(weft, token: reader) }
            #expect(problem?.kind == .forbidden)
            for (query, field) in [
                ("?since=yesterday", "since"), ("?until=2026-11-01", "until"), ("?page_size=1001", "page_size"), ("?cursor=abc", "cursor"),
                ("?since=2026-11-01T00:00:00Z&until=2026-11-01T00:00:00Z", "until"), ("?state=failed", "state"),
            ] {
                let problem = await #expect(throws: Problem.self) { try await history(weft, query) }
                #expect(problem?.kind == .invalid && problem?.errors.first?.pointer == field, "\(query)")
            }
            await weft.down()
        }
    }
}
