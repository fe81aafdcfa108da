// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

/// A cluster and a Weft on it, for all tests of a suite.
struct ClusterUnderTest: Sendable {
    @TaskLocal static var current: ClusterUnderTest?

    var cluster: TestCluster
    var weft: Installation
    /// Ends what was started beside them.
    var stop: @Sendable () async -> Void = {}

    static func required() throws -> (cluster: TestCluster, weft: Installation) {
        let current = try #require(current, "the suite has no cluster")
        return (current.cluster, current.weft)
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
        _ = try? await under.cluster(["down"])
        try outcome.get()
    }
}
