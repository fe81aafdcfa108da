// SPDX-License-Identifier: Apache-2.0

import Storage
import Testing
import WorkflowModel

@Suite struct EnvironmentTests {
    @Test func oneCallerBuildsAnEnvironment() async throws {
        let (storage, _) = try await freshStorage()
        let builders = try await withThrowingTaskGroup { group in
            for _ in 0..<6 { group.addTask { try await storage.requestEnvironment(digest: "e", requirements: "numpy").mustBuild } }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(builders == 1)
        #expect(try await storage.buildingEnvironments().map(\.digest) == ["e"])
    }

    @Test func aFailedEnvironmentIsBuiltAgain() async throws {
        let (storage, _) = try await freshStorage()
        _ = try await storage.requestEnvironment(digest: "e", requirements: "nampy")
        try await storage.updateEnvironment(digest: "e", state: .failed, log: String(repeating: "x", count: 100_000) + "\0end")
        let failed = try #require(try await storage.environment("e"))
        #expect(failed.state == .failed)
        #expect(failed.log.utf8.count == 64 << 10)
        #expect(failed.log.hasSuffix("\u{FFFD}end"))
        #expect(try await storage.buildingEnvironments().isEmpty)
        let again = try await storage.requestEnvironment(digest: "e", requirements: "nampy")
        #expect(again.mustBuild)
        #expect(again.environment.state == .building)
        try await storage.updateEnvironment(digest: "e", state: .ready, log: "")
        #expect(try await storage.requestEnvironment(digest: "e", requirements: "nampy").mustBuild == false)
    }

    @Test func environmentsAreListedNewestFirst() async throws {
        let (storage, _) = try await freshStorage()
        for index in 0..<5 { _ = try await storage.requestEnvironment(digest: "e\(index)", requirements: "") }
        #expect(try await allPages(size: 2) { try await storage.environments(page: $0) }.map(\.digest) == ["e4", "e3", "e2", "e1", "e0"])
        #expect(try await storage.environment("other") == nil)
        await #expect(throws: StorageError.noEnvironment("other")) {
            try await storage.updateEnvironment(digest: "other", state: .ready, log: "")
        }
    }
}
