// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// A program with ranks of its own is a run like any other.
    @Suite(.serialized) struct ApplicationTests {
        /// A Weft, and the path of the program compiled there.
        private func start() async throws -> (weft: Installation, program: String) {
            let weft = try await Installation.start()
            let program = weft.folder + "/sum.x"
            let source = Program.root.appending(path: "Tests/IntegrationTests/Workflows/application.c").path()
            let compiled = try await Program.run("/usr/bin/env", ["mpicc", "-o", program, source])
            try #require(compiled.status == 0, "\(compiled)")
            return (weft, program)
        }

        @Test func itsLinesFilesAndArgumentsAreKept() async throws {
            let (weft, program) = try await start()
            let waited = try await weft.weft([
                "run", "submit", "--mpi", program, "-n", "4", "--wait", "--name", "sums", "--", "x", "two words",
            ])
            #expect(waited.status == 0, "\(waited)")
            let run = waited.output.trimmingCharacters(in: .whitespacesAndNewlines)
            let document = try await weft.show(run)
            #expect(document.name == "sums" && document.resources.ranks == 4 && document.graph.name == "sum.x")

            let logs = try await weft.weft(["run", "logs", run, "-o", "json"]).output
            let lines = try logs.split(separator: "\n").map { try WireJSON.decode(LogLine.self, from: $0.utf8) }
            for rank in 0..<4 {
                let own = lines.filter { $0.rank == rank }
                #expect(own.map(\.text) == ["rank \(rank) of 4", "argument 1 is 'x'", "argument 2 is 'two words'", "the sum is 6"])
                #expect(own.allSatisfy { $0.element == "sum.x" && $0.instance == rank && $0.stream == .stdout })
            }

            let results = try await weft.json([RunResult].self, ["run", "results", run])
            #expect(results.compactMap { $0.value["file"]?.stringValue } == (0..<4).map { "rank-\($0).txt" })
            for result in results {
                let path = try #require(result.value["location"]?.stringValue)
                let content = try Data(contentsOf: URL(filePath: path))
                #expect(content == Data("6\n".utf8))
                let digest = SHA256.hash(data: content).map { String(format: "%02x", $0) }.joined()
                #expect(result.value["sha256"]?.stringValue == digest && result.value["size"] == 2 && result.port == "files")
                let trace = try await weft.json(Trace.self, ["prov", "trace", "\(result.datum)"])
                #expect(trace.steps.count == 2)
                #expect(trace.steps.last?.datum.attributes?["value"]?["arguments"] == ["x", "two words"])
            }
            let summary = try await weft.json(ProvenanceSummary.self, ["prov", "run", run])
            #expect(summary.complete && summary.elements.first?.instances.map(\.invocations) == [1, 1, 1, 1])
            #expect(summary.elements.first?.instances.map(\.rank) == [0, 1, 2, 3])

            // The same program is the same version, and comes back as it was given.
            let again = try await weft.submit(["--mpi", program, "-n", "2"])
            #expect(try await weft.show(again).graph == document.graph)
            try await weft.wait(for: again, toBe: .succeeded)
            let shown = try await weft.json(RegisteredGraph.self, ["graph", "show", "\(document.graph)"])
            #expect(shown.module == Array(try Data(contentsOf: URL(filePath: program))))
            await weft.down()
        }

        @Test func theFirstRankThatFailsIsNamed() async throws {
            let (weft, program) = try await start()
            func failure(_ mode: String) async throws -> FailureReport {
                let run = try await weft.submit(["--mpi", program, "-n", "4", "--", mode])
                try await weft.wait(for: run, toBe: .failed)
                #expect(Installation.processes(of: run).isEmpty)
                return try #require(try await weft.show(run).failure)
            }
            let exit = try await failure("exit")
            #expect(exit.rank == 2 && exit.instance == 2 && exit.exitStatus == 3 && exit.signal == nil && exit.element == "sum.x")
            #expect(exit.message.contains("exited with status 3") && exit.traceback?.contains("rank 2 gives up") == true)
            let crash = try await failure("crash")
            #expect(crash.rank == 1 && crash.signal == "SIGSEGV" && crash.exitStatus == nil)
            let abort = try await failure("abort")
            #expect(abort.rank == 1 && abort.exitStatus == 5)
            await weft.down()
        }

        @Test func cancelAndRetryWorkAsForGraphs() async throws {
            let (weft, program) = try await start()
            let run = try await weft.submit(["--mpi", program, "-n", "4", "--", "endless"])
            for attempt in 1...2 {
                try await TestSupport.wait(for: "every rank to run") {
                    try await weft.weft(["run", "logs", run]).output.split(separator: "\n").count == 8
                }
                #expect(try await weft.weft(["run", "cancel", run]).status == 0)
                try await TestSupport.wait(for: "no process of the run", seconds: 5) { Installation.processes(of: run).isEmpty }
                try await weft.wait(for: run, toBe: .cancelled, seconds: 5)
                guard attempt == 1 else { break }
                #expect(try await weft.weft(["run", "retry", run]).status == 0)
                try await weft.wait(for: run, toBe: .running)
            }
            #expect(try await weft.show(run).attempts.map(\.state) == [.cancelled, .cancelled])
            await weft.down()
        }

        @Test func aRankThatIsKilledTakesItsProgramWithIt() async throws {
            let (weft, program) = try await start()
            let run = try await weft.submit(["--mpi", program, "-n", "2", "--", "endless"])
            try await TestSupport.wait(for: "every rank to run") {
                try await weft.weft(["run", "logs", run]).output.split(separator: "\n").count == 4
            }
            let rank = try #require(
                Installation.processes(of: run).first { id in
                    FileManager.default.contents(atPath: "/proc/\(id)/comm") == Data("weft-rank\n".utf8)
                })
            kill(rank, SIGKILL)
            try await weft.wait(for: run, toBe: .failed, seconds: 10)
            let failure = try #require(try await weft.show(run).failure)
            #expect(failure.cause == .rank && failure.signal == "SIGKILL" && failure.element == "sum.x")
            try await TestSupport.wait(for: "no process of the run", seconds: 5) { Installation.processes(of: run).isEmpty }
            await weft.down()
        }

        @Test func whatCannotRunIsRefused() async throws {
            let (weft, program) = try await start()
            let source = Program.root.appending(path: "Tests/IntegrationTests/Workflows/application.c").path()
            let noProgram = try await weft.weft(["run", "submit", "--mpi", source])
            #expect(noProgram.status == 1 && noProgram.error.contains("neither an ELF program nor a script"), "\(noProgram)")
            let inputs = try await weft.weft(["run", "submit", "--mpi", program, "-i", "3"])
            #expect(inputs.status == 1 && inputs.error.contains("reads no inputs"), "\(inputs)")
            let large = weft.folder + "/large.x"
            let content = try Data(contentsOf: URL(filePath: program)) + Data(count: 3 << 20)
            try content.write(to: URL(filePath: large))
            let tooLarge = try await weft.weft(["run", "submit", "--mpi", large])
            #expect(tooLarge.status == 1 && tooLarge.error.contains("limits.body_bytes"), "\(tooLarge)")
            let graph = try await weft.register("quick")
            let arguments = try await weft.weft(["run", "submit", graph, "--", "x"])
            #expect(arguments.status == 1 && arguments.error.contains("Only an MPI application takes arguments"), "\(arguments)")
            await weft.down()
        }
    }
}
