// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// With Lmod, and a module folder laid out as sites and EESSI do.
    @Suite(.serialized) struct ModuleTests {
        private static let setup = "/usr/share/lmod/lmod/init/sh"

        private func submit(_ module: String, in weft: Installation) async throws -> String {
            try await weft.submit([
                "test/environment", "-d", #"{"Ask": [{"input": "LIBRARY_OF_TEST"}]}"#, "--module", module, "--max-attempts", "1",
            ])
        }

        @Test func modulesAreLoadedByNameAndRecorded() async throws {
            let folder = "/tmp/weft-modules-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(atPath: folder + "/library", withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            for version in ["1.0", "1.2"] {
                try "setenv(\"LIBRARY_OF_TEST\", \"\(version)\")\n".write(
                    toFile: folder + "/library/\(version).lua", atomically: true, encoding: .utf8)
            }
            let weft = try await Installation.start(environment: ["WEFT_RUNS_MODULE_SETUP": Self.setup, "MODULEPATH": folder])
            try await weft.register("environment")
            let run = try await submit("library", in: weft)
            try await weft.wait(for: run, toBe: .succeeded)
            #expect(try await weft.json([RunResult].self, ["run", "results", run]).map(\.value) == ["1.2"])
            let shown = try await weft.show(run)
            #expect(shown.attempts[0].modules == ["library/1.2"] && shown.resources.needs.modules == ["library"])

            let missing = try await submit("other/3", in: weft)
            try await weft.wait(for: missing, toBe: .failed)
            let failure = try #require(try await weft.show(missing).failure)
            #expect(failure.message.contains("modules") && failure.traceback?.contains("other/3") == true, "\(failure)")
            await weft.down()
        }
    }
}
