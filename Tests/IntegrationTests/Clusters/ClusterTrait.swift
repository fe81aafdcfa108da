// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

/// A cluster and a Weft on it, for all tests of a suite.
struct ClusterUnderTest: Sendable {
    @TaskLocal static var current: ClusterUnderTest?

    /// `nil`: this machine.
    var cluster: TestCluster?
    var weft: Installation
    /// Lets an attempt of a run start, where the cluster holds every one of them back.
    var begin: @Sendable (String, Int) async throws -> Void = { _, _ in }
    /// Keeps runs that are submitted meanwhile from starting.
    var held: @Sendable (@Sendable () async throws -> Void) async throws -> Void
    /// Ends what was started beside them.
    var stop: @Sendable () async -> Void = {}

    static func required() throws -> (cluster: TestCluster, weft: Installation) {
        let current = try #require(current, "the suite has no cluster")
        return (try #require(current.cluster), current.weft)
    }

    /// Submits a run, and lets it start.
    func submit(_ arguments: [String]) async throws -> String {
        let run = try await weft.submit(arguments)
        try await begin(run, 1)
        return run
    }

    /// Holds runs back by one that takes what there is.
    static func filling(_ weft: Installation) -> @Sendable (@Sendable () async throws -> Void) async throws -> Void {
        { body in
            let large = try await weft.submit(SlurmCluster.counts(10_000, every: 1))
            try await weft.wait(for: large, toBe: .running)
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
            _ = try await weft.weft(["run", "cancel", large])
            try await weft.wait(for: large, toBe: .cancelled)
            try outcome.get()
        }
    }
}

/// Starts both before a suite's first test, and removes them after its last, whatever becomes of the tests.
struct ClusterTrait: SuiteTrait, TestScoping {
    var start: @Sendable () async throws -> ClusterUnderTest

    var isRecursive: Bool { false }

    func provideScope(for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void) async throws
    {
        let under = try await start()
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await ClusterUnderTest.$current.withValue(under) { try await function() }) } catch {
            outcome = .failure(error)
        }
        await under.weft.down()
        await under.stop()
        _ = try? await under.cluster?(["down"])
        try outcome.get()
    }
}
