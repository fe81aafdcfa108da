// SPDX-License-Identifier: Apache-2.0

package import Foundation
import Subprocess
import SystemPackage

/// What a program printed and how it ended.
package struct ProgramResult: Sendable, CustomStringConvertible {
    /// Exit status; 128 + n when signal n ended it.
    package var status: Int
    package var output: String
    package var error: String

    package var description: String { "status \(status)\n--- output\n\(output)\n--- error\n\(error)" }
}

/// The programs under test, and others that tests need.
package enum Program {
    private static let outputLimit = 64 << 20

    /// The folder that holds `weft`, `weftd` and `weft-rank`, built with the tests.
    package static var productsFolder: URL { URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent() }

    package static func path(of product: String) -> String { productsFolder.appending(path: product).path() }

    /// The root of the checkout.
    package static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// - Parameter seconds: after which the program is killed, which shows as status 124 or 137.
    package static func run(
        _ path: String, _ arguments: [String], environment: [String: String] = [:], seconds: Int = 120
    ) async throws -> ProgramResult {
        let updates = Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), String?.some($1)) })
        let result = try await Subprocess.run(
            .path("/usr/bin/timeout"), arguments: Arguments(["--kill-after=5", "\(seconds)", path] + arguments),
            environment: .inherit.updating(updates), output: .string(limit: outputLimit), error: .string(limit: outputLimit))
        let status =
            switch result.terminationStatus {
            case .exited(let code): Int(code)
            case .signaled(let signal): 128 + Int(signal)
            }
        return ProgramResult(status: status, output: result.standardOutput, error: result.standardError)
    }
}

package struct TimeoutError: Error, CustomStringConvertible {
    package var description: String
}

/// Waits for a condition, looking often.
///
/// - Throws: `TimeoutError` that names what was waited for.
package func wait(
    for what: String, seconds: Double = 30, until condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw TimeoutError(description: "waited \(seconds) s for \(what)") }
        try await Task.sleep(for: .milliseconds(20))
    }
}
