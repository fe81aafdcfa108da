// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    @Suite(.serialized) struct ConfinementTests {
        private func weft(_ settings: [String: String] = [:]) async throws -> Installation {
            let weft = try await Installation.start(environment: ["WEFT_LOCAL_CONFINED": "true"].merging(settings) { $1 })
            try await weft.register("pries")
            return weft
        }

        private func pry(megabytes: Int, in weft: Installation) async throws -> String {
            let item = #"{"secret": "\#(weft.folder)/issuer", "port": \#(weft.port), "megabytes": \#(megabytes)}"#
            return try await weft.submit([
                "test/pries", "-d", #"{"Pry": [{"input": \#(item)}]}"#, "-n", "2", "--layout", "spread", "--memory", "300",
            ])
        }

        @Test func aConfinedPESeesAndReachesOnlyItsOwn() async throws {
            let weft = try await weft()
            let run = try await pry(megabytes: 1, in: weft)
            try await weft.wait(for: run, toBe: .succeeded)
            #expect(try await weft.json([RunResult].self, ["run", "results", run]).map(\.value) == [[]])
            let folder = try #require(try await weft.show(run).attempts[0].folder)
            #expect(FileManager.default.fileExists(atPath: folder + "/work/own"))
            await weft.down()

            // The same PE without a sandbox finds what it looks for.
            let open = try await Installation.start()
            try await open.register("pries")
            let free = try await pry(megabytes: 1, in: open)
            try await open.wait(for: free, toBe: .succeeded)
            #expect(try await open.json([RunResult].self, ["run", "results", free]).first?.value.arrayValue?.contains("network") == true)
            await open.down()
            for path in ["/usr/local", "/etc", "/var/lib"] { try? FileManager.default.removeItem(atPath: path + "/weft-was-here") }
        }

        @Test(.enabled(if: TestCluster.isPossible, "accounts take root")) func aRunTakesTheAccountOfItsOwner() async throws {
            let first = try await weft()
            let who = try await Program.run(
                "/usr/bin/curl", ["-s", "-H", "Authorization: Bearer \(first.token())", first.url + "/api/v1/whoami"])
            await first.down()
            let caller = try WireJSON.decode([String: JSONValue].self, from: who.output.utf8)
            let (issuer, subject) = (try #require(caller["issuer"]?.stringValue), try #require(caller["subject"]?.stringValue))

            let weft = try await weft(["WEFT_LOCAL_ACCOUNTS": "{\"\(issuer)\": {\"\(subject)\": nobody}}"])
            let run = try await pry(megabytes: 1, in: weft)
            try await weft.wait(for: run, toBe: .succeeded)
            let folder = try #require(try await weft.show(run).attempts[0].folder)
            let file = try FileManager.default.attributesOfItem(atPath: folder + "/work/own")
            #expect(file[.ownerAccountName] as? String == "nobody")
            await weft.down()
        }

        @Test func aPEThatTakesMoreMemoryThanItsOwnIsTold() async throws {
            let weft = try await weft()
            let run = try await pry(megabytes: 2000, in: weft)
            try await weft.wait(for: run, toBe: .failed)
            #expect(try await weft.show(run).failure?.message.contains("MemoryError") == true)
            await weft.down()
        }

        @Test(.enabled(if: FileManager.default.isWritableFile(atPath: "/sys/fs/cgroup/memory")))
        func aControlGroupHoldsAllProcessesOfARun() async throws {
            let group = "/sys/fs/cgroup/memory/weft-test-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(atPath: group, withIntermediateDirectories: false)
            defer {
                for name in (try? FileManager.default.contentsOfDirectory(atPath: group)) ?? [] { rmdir("\(group)/\(name)") }
                rmdir(group)
            }
            let weft = try await weft(["WEFT_LOCAL_CONTROL_GROUP": group])
            let well = try await pry(megabytes: 100, in: weft)
            try await weft.wait(for: well, toBe: .succeeded)
            let greedy = try await pry(megabytes: 2000, in: weft)
            try await weft.wait(for: greedy, toBe: .failed)
            let failure = try #require(try await weft.show(greedy).failure)
            #expect(failure.cause == .memory && failure.message.contains("2 × 300 MiB"), "\(failure)")
            await weft.down()
        }
    }
}
