// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// Every way to fail ends the run soon, with a sentence that says what happened where.
    @Suite(.serialized) struct FailureTests {
        static let limit = 10.0

        func failure(of run: String, in weft: Installation) async throws -> FailureReport {
            try await weft.wait(for: run, toBe: .failed, seconds: Self.limit)
            return try #require(try await weft.show(run).failure)
        }

        @Test func whatAPERaisesIsToldEverywhere() async throws {
            let weft = try await Installation.start()
            let graph = try await weft.register("raises")
            let run = try await weft.submit([graph, "-n", "2", "--layout", "spread"])
            let wait = try await weft.weft(["run", "wait", run])
            #expect(wait.status == 3)
            let failure = try await failure(of: run, in: weft)
            #expect(failure.cause == .exception)
            #expect(failure.element == "Invert1")
            #expect(failure.instance == 1)
            #expect(failure.rank == 1)
            #expect(failure.node?.isEmpty == false)
            #expect(failure.datumSummary == "7")
            #expect(failure.message.contains("ZeroDivisionError"))
            #expect(failure.traceback?.contains("return 1 / (number - 7)") == true)
            let shown = try await weft.weft(["run", "show", run])
            #expect(shown.output.contains("ZeroDivisionError") && shown.output.contains("Invert1"))
            let folder = try #require(try await weft.show(run).attempts.last?.folder)
            let log = try String(contentsOfFile: RunFolder(path: folder).log(rank: 1), encoding: .utf8)
            #expect(log.contains("ZeroDivisionError: division by zero"))
            let logs = try await weft.weft(["run", "logs", run])
            #expect(logs.output.contains("inverting 3"))

            // Attempt 2 fails the same way, and attempt 1 stays readable.
            #expect(try await weft.weft(["run", "retry", run]).status == 0)
            try await TestSupport.wait(for: "attempt 2 to end", seconds: 20) {
                let now = try await weft.show(run)
                return now.state == .failed && now.attempts.count == 2
            }
            let first = try await weft.weft(["run", "logs", run, "--attempt", "1"])
            #expect(first.output.contains("inverting 3"))
            await weft.down()
        }

        @Test func otherCausesAreNamed() async throws {
            let weft = try await Installation.start()
            try await unpicklable(weft)
            try await crash(weft)
            try await missingInterpreter(weft)
            try await killedRank(weft)
            await weft.down()
        }

        private func unpicklable(_ weft: Installation) async throws {
            let run = try await weft.submit([try await weft.register("unpicklable"), "-n", "2", "--layout", "spread"])
            let failure = try await failure(of: run, in: weft)
            #expect(failure.cause == .unpicklable)
            #expect(failure.element == "Functions0" && failure.message.contains("output"))
        }

        private func crash(_ weft: Installation) async throws {
            let run = try await weft.submit([try await weft.register("dies")])
            let failure = try await failure(of: run, in: weft)
            #expect(failure.cause == .worker)
            #expect(failure.signal == "SIGSEGV")
            #expect(failure.message.contains("Crash0"))
        }

        private func missingInterpreter(_ weft: Installation) async throws {
            let requirements = weft.folder + "/requirements.txt"
            try "# nothing\n".write(toFile: requirements, atomically: true, encoding: .utf8)
            let file = Program.root.appending(path: "Tests/IntegrationTests/Workflows/quick.py").path()
            let graph = try await weft.json(
                RegisteredGraph.self, ["graph", "register", file, "--name", "test/quick", "--requirements", requirements])
            let environment = try #require(graph.environment)
            try FileManager.default.removeItem(atPath: "\(weft.folder)/server/environments/\(environment)/bin/python")
            let run = try await weft.submit(["test/quick"])
            let failure = try await failure(of: run, in: weft)
            #expect(failure.cause == .interpreter)
            #expect(failure.message.contains("bin/python") && failure.message.contains("One0"))
        }

        private func killedRank(_ weft: Installation) async throws {
            let graph = try await weft.register("slow")
            let run = try await weft.submit([
                graph, "-n", "4", "--layout", "spread", "-d", #"{"Numbers": [{"count": 10000, "seconds": 0.01}]}"#,
            ])
            try await TestSupport.wait(for: "the ranks to work") {
                try await weft.weft(["run", "logs", run]).output.contains("waited for")
            }
            let plan = try #require(try await weft.show(run).plan)
            let victim = try #require(plan.workers.first { $0.stage == plan.stage(ofElement: 1) }?.rank)
            let rank = try #require(
                Installation.processes(of: run).first { id in
                    let environment = FileManager.default.contents(atPath: "/proc/\(id)/environ") ?? Data()
                    let name = (FileManager.default.contents(atPath: "/proc/\(id)/comm")).map { String(decoding: $0, as: UTF8.self) }
                    return name == "weft-rank\n"
                        && environment.split(separator: 0).contains(Data("OMPI_COMM_WORLD_RANK=\(victim)".utf8))
                })
            kill(rank, SIGKILL)
            let failure = try await failure(of: run, in: weft)
            #expect(failure.cause == .rank)
            #expect(failure.rank == victim)
            #expect(failure.signal == "SIGKILL")
            #expect(failure.element == "Wait1")
            try await TestSupport.wait(for: "no process of the run", seconds: 5) { Installation.processes(of: run).isEmpty }
        }

        @Test func cancelEndsEveryProcessWithinFiveSeconds() async throws {
            let weft = try await Installation.start()
            let graph = try await weft.register("slow")
            let run = try await weft.submit([graph, "-n", "4", "--layout", "spread", "-d", #"{"Numbers": [{"count": 10000}]}"#])
            try await TestSupport.wait(for: "the ranks to work") {
                try await weft.weft(["run", "logs", run]).output.contains("waited for")
            }
            #expect(!Installation.processes(of: run).isEmpty)
            #expect(try await weft.weft(["run", "cancel", run]).status == 0)
            try await TestSupport.wait(for: "no process of the run", seconds: 5) { Installation.processes(of: run).isEmpty }
            try await weft.wait(for: run, toBe: .cancelled, seconds: 5)
            await weft.down()
        }

        /// A PE writes without a pause, and has started a process without the run's mark.
        @Test func cancelEndsAnEndlessStreamAndWhatItStarted() async throws {
            let weft = try await Installation.start()
            let run = try await weft.submit([try await weft.register("endless")])
            try await TestSupport.wait(for: "the stray process to be named") {
                try await weft.weft(["run", "logs", run]).output.contains("stray")
            }
            let words = try await weft.weft(["run", "logs", run]).output.split(whereSeparator: \.isWhitespace)
            let stray = try #require(words.firstIndex(of: "stray").flatMap { Int32(words[$0 + 1]) })
            try await TestSupport.wait(for: "much to be recorded") {
                let path = try #require(try await weft.show(run).attempts.last?.folder)
                let size = try FileManager.default.attributesOfItem(atPath: RunFolder(path: path).segment(rank: 0))[.size] as? Int
                return size ?? 0 > 16 << 10
            }
            #expect(try await weft.weft(["run", "cancel", run]).status == 0)
            try await TestSupport.wait(for: "no process of the run", seconds: 5) {
                Installation.processes(of: run).isEmpty && !SurvivalTests.isAlive(stray)
            }
            try await weft.wait(for: run, toBe: .cancelled, seconds: 10)
            await weft.down()
        }

        /// Needs root to mount a disk of one size.
        @Test(.enabled(if: geteuid() == 0)) func aFullDiskIsNamed() async throws {
            let weft = try await Installation.start { folder in
                try FileManager.default.createDirectory(atPath: folder + "/server/runs", withIntermediateDirectories: true)
                let mount = try await Program.run("/bin/mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", folder + "/server/runs"])
                try #require(mount.status == 0, "\(mount)")
            }
            let graph = try await weft.register("fills_disk")
            let run = try await weft.submit([graph])
            let failure = try await failure(of: run, in: weft)
            #expect(failure.cause == .storage)
            #expect(failure.message.contains("No space left on device"))
            _ = try await Program.run("/bin/umount", ["-l", weft.folder + "/server/runs"])
            await weft.down()
        }
    }
}
