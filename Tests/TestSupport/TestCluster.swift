// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A real cluster on this machine, from a script below `Tests`.
package struct TestCluster: Sendable {
    /// As `Clusters/slurm.sh`.
    package let script: String
    /// What the script says that its users need to know.
    package private(set) var variables: [String: String] = [:]
    private let environment: [String: String]

    /// Virtual hosts take network namespaces.
    package static var isPossible: Bool { geteuid() == 0 }

    package static func up(_ script: String, _ arguments: [String] = [], environment: [String: String] = [:]) async throws -> TestCluster {
        var cluster = TestCluster(script: script, environment: environment)
        let output = try await cluster(["up"] + arguments, seconds: 300)
        for line in output.split(separator: "\n") {
            let parts = line.trimmingPrefix("export ").split(separator: "=", maxSplits: 1)
            if parts.count == 2, parts[0].allSatisfy({ $0.isUppercase || $0 == "_" }) {
                cluster.variables[String(parts[0])] = parts[1].trimmingCharacters(in: ["'", "\""])
            }
        }
        return cluster
    }

    private init(script: String, environment: [String: String]) {
        self.script = script
        self.environment = environment
    }

    /// Runs the script.
    @discardableResult
    package func callAsFunction(_ arguments: [String], seconds: Int = 120) async throws -> String {
        let path = Program.root.appending(path: "Tests/\(script)").path()
        let result = try await Program.run(path, arguments, environment: environment, seconds: seconds)
        guard result.status == 0 else { throw TimeoutError(description: "\(script) \(arguments.joined(separator: " ")): \(result)") }
        return result.output
    }

    /// Runs a command of the cluster's own.
    @discardableResult
    package func run(_ command: [String], seconds: Int = 60) async throws -> String {
        let result = try await Program.run("/usr/bin/env", command, environment: variables, seconds: seconds)
        guard result.status == 0 else { throw TimeoutError(description: "\(command.joined(separator: " ")): \(result)") }
        return result.output
    }
}
