// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// A stranger's first run, and that the number of ranks changes nothing about it.
    @Suite struct WordCountTests {
        static let text = (0..<200).map { line in (0..<10).map { "word\((line * 7 + $0 * 13) % 37)" }.joined(separator: " ") }
            .joined(separator: "\n")

        static var expected: [String: Int64] {
            text.split(whereSeparator: \.isWhitespace).reduce(into: [:]) { $0[String($1), default: 0] += 1 }
        }

        @Test func everyNumberOfRanksGivesTheSameRightCounts() async throws {
            let weft = try await Installation.start()
            try await check(weft)
            await weft.down()
        }

        private func check(_ weft: Installation) async throws {
            let graph = try await weft.register("word_count")
            let inputs = weft.folder + "/inputs.json"
            try WireJSON.encode(["Lines": [["input": Self.text]]]).withUnsafeBytes { try Data($0).write(to: URL(filePath: inputs)) }
            for ranks in [1, 2, 4, 9] {
                let run = try await weft.submit([graph, "-f", inputs, "-n", "\(ranks)"])
                try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
                let results = try await weft.json([RunResult].self, ["run", "results", run])
                let pairs = results.compactMap { result -> (String, Int64)? in
                    guard let item = result.value.arrayValue, case .string(let word) = item[0], case .integer(let count) = item[1] else {
                        return nil
                    }
                    return (word, count)
                }
                #expect(pairs.count == results.count)
                #expect(pairs.count == Self.expected.count, "each key once on \(ranks) ranks")
                #expect(Dictionary(pairs, uniquingKeysWith: +) == Self.expected, "on \(ranks) ranks")

                let summary = try await weft.json(ProvenanceSummary.self, ["prov", "run", run])
                #expect(summary.complete)
                let counts = Dictionary(uniqueKeysWithValues: summary.elements.map { ($0.element, $0.instances) })
                #expect(counts["Split1"]?.count == 3)
                #expect(counts["Count2"]?.count == 3)
                // One call for each datum, and postprocess for each instance.
                #expect(counts["Split1"]?.reduce(0) { $0 + $1.dataIn } == 200)
                #expect(counts["Count2"]?.reduce(0) { $0 + $1.dataIn } == 2000)
                #expect(counts["Collect3"]?.reduce(0) { $0 + $1.dataIn } == Int64(Self.expected.count))

                let result = try #require(results.first)
                let trace = try await weft.json(Trace.self, ["prov", "trace", "\(result.datum)", "--back"])
                #expect(trace.steps.last?.datum.id.datum.isRunInput == true, "a result leads back to the input of the run")
            }
        }

        @Test func theSameContentIsTheSameVersionAndOtherContentIsRefused() async throws {
            let weft = try await Installation.start()
            try await weft.register("quick")
            let file = Program.root.appending(path: "Tests/IntegrationTests/Workflows/quick.py").path()
            let again = try await weft.json(RegisteredGraph.self, ["graph", "register", file, "--name", "test/quick"])
            #expect(again.reference.version == "1")

            let changed = weft.folder + "/quick.py"
            let source = try String(contentsOfFile: file, encoding: .utf8).replacing("number + 1", with: "number + 2")
            try source.write(toFile: changed, atomically: true, encoding: .utf8)
            let refused = try await weft.weft(["graph", "register", changed, "--name", "test/quick@1"])
            #expect(refused.status == 1)
            #expect(refused.error.contains("never changes"))
            let next = try await weft.json(RegisteredGraph.self, ["graph", "register", changed, "--name", "test/quick"])
            #expect(next.reference.version == "2")

            let unknown = try await weft.weft(["run", "submit", "test/quick", "-d", #"{"Oen": 3}"#])
            #expect(unknown.status == 1)
            #expect(unknown.error.contains("Oen") && unknown.error.contains("One0"))
            await weft.down()
        }
    }
}
