// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// `weft try`: the whole way from a module to its outputs without a server.
    @Suite struct TryTests {
        /// An empty folder to run in, and one that temporary folders are made in.
        struct Place {
            var folder: URL
            var temporary: URL { folder.appending(path: "tmp") }
            var work: URL { folder.appending(path: "work") }

            init() throws {
                folder = FileManager.default.temporaryDirectory.appending(path: "weft-try-tests-\(UUID().uuidString)")
                for path in [temporary, work] { try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true) }
            }

            /// - Parameter line: a line of shell that finds the program as `$WEFT` and the workflows in `$FLOWS`.
            func shell(_ line: String) async throws -> ProgramResult {
                try await Program.run(
                    "/bin/sh", ["-c", "cd \"$PLACE\" && \(line)"],
                    environment: [
                        "WEFT": Program.path(of: "weft"), "PLACE": work.path(), "TMPDIR": temporary.path(), "XDG_CACHE_HOME": folder.path(),
                        "FLOWS": Program.root.appending(path: "Tests/IntegrationTests/Workflows").path(),
                    ])
            }

            func isClean() throws -> Bool {
                try FileManager.default.contentsOfDirectory(atPath: temporary.path()).allSatisfy { !$0.hasPrefix("weft-try-") }
            }

            func remove() { try? FileManager.default.removeItem(at: folder) }
        }

        struct Report: Decodable {
            var state: RunState
            var outputs: [String: [String: [JSONValue]]]
            var elements: [Profile]
            var plan: Plan
            var failure: FailureReport?

            struct Profile: Decodable {
                var element: String
                var instances: Int
                var calls: Int
                var skipped: Int
                var changed: [String]?
            }
        }

        func withPlace(_ body: (Place) async throws -> Void) async throws {
            let place = try Place()
            defer { place.remove() }
            try await body(place)
            #expect(try place.isClean(), "the attempt's folder is left behind")
        }

        static func report(_ result: ProgramResult) throws -> Report { try WireJSON.decode(Report.self, from: result.output.utf8) }

        @Test(arguments: [1, 4]) func outputsAreThoseOfARun(ranks: Int) async throws {
            try await withPlace { place in
                let inputs = try WireJSON.encode(["Lines": [["input": WordCountTests.text]]])
                try Data(inputs).write(to: place.work.appending(path: "inputs.json"))
                let result = try await place.shell("$WEFT try $FLOWS/word_count.py -f inputs.json -n \(ranks) -o json")
                #expect(result.status == 0, "\(result)")
                let report = try Self.report(result)
                #expect(report.state == .succeeded && report.failure == nil && report.plan.ranks == ranks)
                let pairs = try #require(report.outputs["Collect3"]?["output"]).compactMap { $0.arrayValue }
                let counts = pairs.map { ($0[0].stringValue ?? "", $0[1]) }
                #expect(pairs.count == WordCountTests.expected.count)
                #expect(Dictionary(counts, uniquingKeysWith: { first, _ in first }) == WordCountTests.expected.mapValues { .integer($0) })
            }
        }

        @Test func aPEFindsWhatIsBesideItsModuleAndInTheUsersFolder() async throws {
            try await withPlace { place in
                try Data("2\n3\n".utf8).write(to: place.work.appending(path: "numbers.txt"))
                let result = try await place.shell("$WEFT try $FLOWS/beside.py")
                #expect(result.status == 0 && result.output.contains("Write1.output: 3"), "\(result)")
                #expect(try String(contentsOf: place.work.appending(path: "square-3.txt"), encoding: .utf8) == "9")
            }
        }

        @Test func aFailureIsToldAsOfARealRun() async throws {
            try await withPlace { place in
                let result = try await place.shell("$WEFT try $FLOWS/raises.py -n 2 --layout spread")
                #expect(result.status == 3, "\(result)")
                #expect(result.output.contains("inverting 7"))
                #expect(result.error.contains("Invert1 raised ZeroDivisionError") && result.error.contains("rank     1"))
                #expect(result.error.contains("Workflows/raises.py\", line 19"), "the traceback names the user's own file")
                let dead = try await place.shell("$WEFT try $FLOWS/dies.py")
                #expect(dead.status == 3 && dead.error.contains("SIGSEGV") && dead.output.contains("about to crash"), "\(dead)")
            }
        }

        @Test func whatCannotRunIsRefusedBeforeItStarts() async throws {
            try await withPlace { place in
                let missing = try await place.shell("$WEFT try nothing.py")
                #expect(missing.status == 1 && missing.error.contains("'nothing.py' cannot be read"), "\(missing)")
                let unknown = try await place.shell(#"$WEFT try $FLOWS/quick.py -d '{"Nobody": 1}'"#)
                #expect(unknown.status == 1 && unknown.error.contains("no PE is called 'Nobody'"), "\(unknown)")
                let unread = try await place.shell("$WEFT try $FLOWS/quick.py costs.json")
                #expect(unread.status == 2, "\(unread)")
                let python = try await place.shell("$WEFT try $FLOWS/quick.py --python /no/python")
                #expect(python.status == 1 && python.error.contains("--python"), "\(python)")
                try Data("import nothing_like_it\n".utf8).write(to: place.work.appending(path: "broken.py"))
                let broken = try await place.shell("$WEFT try broken.py")
                #expect(broken.status == 1 && broken.error.contains("broken.py, line 1"), "\(broken)")
            }
        }

        @Test func anInterruptionEndsEverythingAtOnce() async throws {
            try await withPlace { place in
                let result = try await place.shell(
                    "{ $WEFT try $FLOWS/waits.py & } ; pid=$!; until [ -e running ]; do sleep 0.05; done; kill -INT $pid; wait $pid")
                #expect(result.status == 130, "\(result)")
                // A pattern that does not match itself in the command line that holds it.
                let pattern = "[w]" + place.folder.lastPathComponent.dropFirst()
                let left = try await Program.run("/usr/bin/pgrep", ["-f", pattern])
                #expect(left.output.isEmpty, "processes are left: \(left.output)")
            }
        }

        @Test func aReaderThatLeavesEndsTheRun() async throws {
            try await withPlace { place in
                let result = try await place.shell("$WEFT try $FLOWS/raises.py | head -1")
                #expect(result.output.split(separator: "\n").count == 1, "\(result)")
            }
        }

        @Test func whatIsSkippedIsCounted() async throws {
            try await withPlace { place in
                let result = try await place.shell("$WEFT try $FLOWS/skips.py -o json")
                #expect(result.status == 0 && result.error.contains("3 data failed and were skipped: Invert1 3"), "\(result)")
                let report = try Self.report(result)
                #expect(report.outputs["Invert1"]?["output"]?.count == 7)
                #expect(report.elements.map(\.skipped) == [0, 3])
            }
        }

        @Test func costsOfOneTryPlaceTheNext() async throws {
            try await withPlace { place in
                let first = try await place.shell("$WEFT try $FLOWS/skewed.py --profile costs.json")
                #expect(first.status == 0 && first.output.contains("Sum2.output: 780") && first.output.contains("P95"), "\(first)")
                let costs = try WireJSON.decode(Costs.self, from: try Data(contentsOf: place.work.appending(path: "costs.json")))
                #expect(costs.elements.mapValues(\.calls) == ["Numbers0": 1, "Slow1": 40, "Sum2": 40])
                #expect(costs.elements["Sum2"]?.changed == ["total"] && costs.elements["Slow1"]?.stateful == false)
                let slow = try #require(costs.elements["Slow1"]?.secondsPerCall)
                #expect(slow > 0.009 && slow < 0.1)

                let result = try await place.shell("$WEFT try $FLOWS/skewed.py -n 4 --costs costs.json -o json")
                #expect(result.status == 0, "\(result)")
                let second = try Self.report(result)
                #expect(second.plan.instanceCount(ofElement: 1) > 1 && second.plan.instanceCount(ofElement: 2) == 1)
                #expect(second.outputs["Sum2"]?["output"] == [780])
            }
        }
    }
}
