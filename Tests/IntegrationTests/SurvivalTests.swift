// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// A run goes on, and is recorded once and whole, whatever happens to the server and its database.
    @Suite(.serialized) struct SurvivalTests {
        static let items = 60
        static let input = #"{"Numbers": [{"count": \#(items), "seconds": 0.25}]}"#

        /// Invocations by PE of a run that nothing disturbs.
        static let undisturbed = ["Numbers0": 1 + 1, "Wait1": items + 2, "Sum2": items + 1]

        func begin(_ weft: Installation) async throws -> String {
            let run = try await weft.submit([try await weft.register("slow"), "-n", "4", "--layout", "spread", "-d", Self.input])
            try await wait(for: "the ranks to work") { try await weft.weft(["run", "logs", run]).output.contains("waited for") }
            return run
        }

        func check(_ run: String, in weft: Installation) async throws {
            try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
            let summary = try await weft.json(ProvenanceSummary.self, ["prov", "run", run])
            #expect(summary.complete)
            let counts = summary.elements.map { ($0.element, $0.instances.reduce(0) { $0 + Int($1.invocations) }) }
            #expect(Dictionary(uniqueKeysWithValues: counts) == Self.undisturbed)
            let results = try await weft.json([RunResult].self, ["run", "results", run])
            #expect(results.map(\.value) == [.integer(Int64(Self.items * (Self.items - 1) / 2))])
            #expect(try await weft.show(run).attempts.count == 1)
        }

        @Test func anUndisturbedRunHasTheExpectedInvocations() async throws {
            let weft = try await Installation.start()
            try await check(try await begin(weft), in: weft)
            await weft.down()
        }

        @Test func theServerIsKilledInTheMiddle() async throws {
            let weft = try await Installation.start()
            let run = try await begin(weft)
            let servers = weft.serverProcesses()
            try #require(servers.count == 1)
            kill(servers[0], SIGKILL)
            try await wait(for: "the server to be gone") { weft.serverProcesses().isEmpty }
            #expect(!Installation.processes(of: run).isEmpty, "the ranks outlive the server")
            try await weft.up()
            try await check(run, in: weft)
            await weft.down()
        }

        @Test func aRunIsFollowedWhileNothingCanBeScheduled() async throws {
            let weft = try await Installation.start()
            let run = try await begin(weft)
            let servers = weft.serverProcesses()
            try #require(servers.count == 1)
            kill(servers[0], SIGKILL)
            try await wait(for: "the server to be gone") { weft.serverProcesses().isEmpty }
            // What the scheduler asks for first.
            let database = try weft.database()
            try await database.run { _ = try $0.query("ALTER TABLE cluster_orders RENAME TO elsewhere") }
            try await weft.up()
            try await check(run, in: weft)
            await weft.down()
        }

        @Test func theDatabaseIsStoppedForTenSecondsInTheMiddle() async throws {
            let weft = try await Installation.start()
            let run = try await begin(weft)
            let servers = weft.serverProcesses()
            let file = try String(contentsOfFile: weft.folder + "/postgres/data/postmaster.pid", encoding: .utf8)
            let postmaster = try #require(file.split(separator: "\n").first.flatMap { Int32($0) })
            kill(postmaster, SIGQUIT)
            try await wait(for: "the database to be gone") { !Self.isAlive(postmaster) }
            try await Task.sleep(for: .seconds(10))
            try await weft.up()
            #expect(weft.serverProcesses() == servers, "the server has waited for its database")
            try await check(run, in: weft)
            await weft.down()
        }

        static func isAlive(_ id: Int32) -> Bool {
            let stat = FileManager.default.contents(atPath: "/proc/\(id)/stat").map { String(decoding: $0, as: UTF8.self) } ?? ""
            return !stat.isEmpty && !stat.contains(") Z ")
        }
    }
}
