// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    @Suite(.serialized) struct LoadTests {
        static let runs = 100

        @Test func aHundredRunsSubmittedAtOnceAllEndOnceAndTheServerStaysSmall() async throws {
            let weft = try await Installation.start()
            let graph = try await weft.register("quick")
            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<Self.runs {
                    group.addTask { try await weft.submit([graph, "-d", #"{"One": 3}"#, "-n", "2", "--idempotency-key", "load-\(index)"]) }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(ids.count == Self.runs)
            // The same keys again are the same runs.
            #expect(ids.contains(try await weft.submit([graph, "-d", #"{"One": 3}"#, "-n", "2", "--idempotency-key", "load-7"])))

            try await wait(for: "all runs to end", seconds: 300) {
                try await weft.json([Run].self, ["run", "list", "--limit", "1000"]).allSatisfy(\.state.isFinal)
            }
            let all = try await weft.json([Run].self, ["run", "list", "--limit", "1000"])
            #expect(Set(all.map(\.id.description)) == ids)
            let others = all.filter { $0.state != .succeeded || $0.attempts.count != 1 }
            #expect(others.isEmpty, "\(others.map { "\($0.state): \($0.attempts.map { $0.failure?.message ?? "no failure" })" })")
            for id in ids {
                let results = try await weft.json([RunResult].self, ["run", "results", id])
                #expect(results.map(\.value) == [2, 2, 2])
            }
            let server = try #require(weft.serverProcesses().first)
            let status = try String(contentsOfFile: "/proc/\(server)/status", encoding: .utf8)
            let peak = try #require(
                status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }?.split(separator: " ").dropFirst().first.flatMap { Int($0) })
            #expect(peak < 200 << 10, "peak memory of weftd is \(peak) KiB")
            await weft.down()
        }
    }
}
