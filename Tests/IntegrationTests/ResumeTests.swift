// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// A run that failed goes on where it broke off, and comes to what it would have come to.
    @Suite struct ResumeTests {
        private static let items = 200

        private func write(_ text: String, to path: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }

        private func submit(_ graph: String, brokenAt number: Int, in weft: Installation) async throws -> (run: String, broken: String) {
            let file = Program.root.appending(path: "Tests/IntegrationTests/Workflows/resumes.py").path()
            let registered = try await weft.weft(["graph", "register", file, "--graph", graph, "--name", "test/\(graph)"])
            try #require(registered.status == 0, "\(registered)")
            let (inputs, broken) = ("\(weft.folder)/\(graph).json", "\(weft.folder)/\(graph).broken")
            try write("\(number)", to: broken)
            let items = (0..<Self.items).map { ["input": ["number": $0, "broken": broken] as [String: Any]] }
            try JSONSerialization.data(withJSONObject: ["Read": items]).write(to: URL(filePath: inputs))
            let run = try await weft.submit(["test/\(graph)", "-f", inputs, "-n", "4", "--layout", "spread"])
            try await failOnceSomeAreDone(run, 1, broken, in: weft)
            try await weft.wait(for: run, toBe: .failed)
            return (run, broken)
        }

        /// Lets the item that fails do so when the server has both results of another item from this attempt.
        private func failOnceSomeAreDone(_ run: String, _ attempt: Int, _ broken: String, in weft: Installation) async throws {
            try await TestSupport.wait(for: "results of attempt \(attempt)") {
                let list = ["run", "results", run, "--attempt", "\(attempt)", "--limit", "0"]
                let values = try await weft.json([RunResult].self, list).compactMap(\.value.arrayValue)
                let parts = values.map { $0[0].arrayValue ?? $0 }.filter { $0.count == 2 }
                return Dictionary(grouping: parts, by: \.[0]).values.contains { $0.count == 2 }
            }
            try write("", to: "\(broken).now")
        }

        /// - Returns: what was left to do.
        private func resume(_ run: String, _ broken: String, toBe state: RunState, in weft: Installation) async throws -> ResumePlan {
            try FileManager.default.removeItem(atPath: "\(broken).now")
            let plan = try await weft.json(ResumePlan.self, ["run", "retry", run, "--resume", "--dry-run"])
            let attempts = try await weft.show(run).attempts.count
            #expect(plan.attempt == attempts, "a dry run starts nothing")
            let resumed = try await weft.weft(["run", "retry", run, "--resume"])
            #expect(resumed.status == 0 && resumed.output.contains("\(plan.items) of \(Self.items) items"), "\(resumed)")
            if state == .failed { try await failOnceSomeAreDone(run, attempts + 1, broken, in: weft) }
            try await TestSupport.wait(for: "attempt \(attempts + 1) to end") {
                let now = try await weft.show(run)
                return now.state.isFinal && now.attempts.count == attempts + 1
            }
            let now = try await weft.show(run)
            #expect(now.state == state, "\(now.failure?.message ?? "")")
            #expect(now.attempts.last?.resumed == plan.resumption)
            return plan
        }

        private func numbers(_ plan: ResumePlan) -> Set<Int> { Set(plan.replayed["Read0"]?.flatMap(\.numbers) ?? []) }

        @Test func onlyWhatWasNotProcessedIsProcessedAgain() async throws {
            let weft = try await Installation.start()
            let (run, broken) = try await submit("results", brokenAt: 120, in: weft)
            try write("150", to: broken)
            let first = numbers(try await resume(run, broken, toBe: .failed, in: weft))
            #expect(first.contains(120) && first.contains(199) && first.count < Self.items)
            try write("", to: broken)
            let plan = try await resume(run, broken, toBe: .succeeded, in: weft)
            let second = numbers(plan)
            #expect(second.contains(150) && second.isStrictSubset(of: first))

            // As if nothing had happened.
            let results = try await weft.json([RunResult].self, ["run", "results", run, "--limit", "0"])
            let found = results.compactMap { result -> String? in
                guard let parts = result.value.arrayValue, case .integer(let number) = parts[0] else { return nil }
                return "\(number)\(parts[1].stringValue ?? "")"
            }
            #expect(found.sorted() == (0..<Self.items).flatMap { ["\($0)a", "\($0)b"] }.sorted())
            #expect(Set(results.map(\.datum.attempt)) == [1, 2, 3])
            for attempt in 1...3 {
                let own = try await weft.json([RunResult].self, ["run", "results", run, "--attempt", "\(attempt)", "--limit", "0"])
                #expect(own.allSatisfy { $0.datum.attempt == attempt } && own.count <= 2 * Self.items)
            }
            let shown = try await weft.weft(["run", "show", run])
            #expect(shown.output.contains("succeeded (resumed: \(second.count) of \(Self.items) items)"), "\(shown)")

            // The last attempt was given these items alone, under their numbers.
            let summary = try await weft.json(ProvenanceSummary.self, ["prov", "run", run])
            let read = try #require(summary.elements.first { $0.element == "Read0" }?.instances.first)
            #expect(read.dataIn == Int64(second.count))
            let last = try #require(results.last { $0.datum.attempt == 3 })
            let trace = try await weft.json(Trace.self, ["prov", "trace", "\(last.datum)", "--back"])
            let item = try #require(trace.steps.last?.datum)
            #expect(item.id.datum.isRunInput)
            let value = item.attributes?["value"]?["input"]?["number"]
            #expect(value == .integer(Int64(item.id.datum.sequence)) && value == last.value.arrayValue?[0])
            await weft.down()
        }

        @Test func whatPEsKeepIsGoneOnFrom() async throws {
            let weft = try await Installation.start()
            let (run, broken) = try await submit("saved", brokenAt: 120, in: weft)
            try write("185", to: broken)
            let first = try await resume(run, broken, toBe: .failed, in: weft)
            #expect(first.items < Self.items && numbers(first).contains(120) && numbers(first).contains(199))
            #expect(first.parts.allSatisfy { $0.reason.contains("at checkpoint") }, "\(first.parts)")
            try write("", to: broken)
            let second = numbers(try await resume(run, broken, toBe: .succeeded, in: weft))
            #expect(second.contains(185) && second.isSubset(of: numbers(first)))

            // Each datum was summed and counted once, however often its item was read, and what was passed on was passed on once.
            let results = try await weft.json([RunResult].self, ["run", "results", run, "--limit", "0"])
            let total = Int64(Self.items * (Self.items - 1))
            let values = results.map(\.value)
            #expect(values.count { $0 == .array([.string("sum"), .integer(total)]) } == 1)
            let passed = values.compactMap { value -> String? in
                guard let datum = value.arrayValue?.first?.arrayValue, case .integer(let number) = datum[0] else { return nil }
                return "\(number)\(datum[1].stringValue ?? "")"
            }
            #expect(passed.sorted() == (0..<Self.items).flatMap { ["\($0)a", "\($0)b"] }.sorted())
            for (part, count) in [("a", Self.items), ("b", Self.items), ("begun", 1)] {
                #expect(values.count { $0 == .array([.string(part), .integer(Int64(count))]) } == 1, "\(part)")
            }
            // What was written in preprocess is part of the checkpoint.
            #expect(values.count { $0 == .array([.string("begun"), .integer(0)]) } == 1)
            #expect(Set(results.map(\.datum.attempt)).isSuperset(of: [1, 3]))
            await weft.down()
        }

        @Test func aPEThatKeepsStateIsNamedAndNothingHappens() async throws {
            let weft = try await Installation.start()
            let (run, _) = try await submit("totals", brokenAt: 120, in: weft)
            for options in [["--resume"], ["--resume", "--dry-run"]] {
                let refused = try await weft.weft(["run", "retry", run] + options)
                #expect(refused.status == 1)
                #expect(refused.error.contains("Total2") && refused.error.contains("changed its total"), "\(refused)")
                #expect(refused.error.contains("stateful = False"))
            }
            #expect(try await weft.show(run).attempts.count == 1)
            #expect(try await weft.weft(["run", "retry", run, "--dry-run"]).status == 2)
            await weft.down()
        }
    }
}
