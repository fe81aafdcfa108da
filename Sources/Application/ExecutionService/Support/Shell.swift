// SPDX-License-Identifier: Apache-2.0

import Subprocess
import SystemPackage
import WorkflowModel

/// Runs a short shell script around another program, within limits that the operating system keeps.
struct Shell: Sendable {
    /// Wall-clock seconds, after which the whole process group is ended; the status is then ``timedOut``.
    var seconds: Int
    var folder: String
    var environment: [String: String] = [:]

    static let timedOut = 124

    /// - Parameters:
    ///   - script: for `/bin/sh`; it finds `arguments` as `$1`, `$2`, …
    /// - Returns: the exit status; 128 + n when signal n ended it.
    func run(_ script: String, _ arguments: [String]) async throws -> Int {
        let updates = Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), String?.some($1)) })
        let result = try await Subprocess.run(
            .path("/usr/bin/timeout"), arguments: Arguments(["--kill-after=5", "\(seconds)", "/bin/sh", "-c", script, "weft"] + arguments),
            environment: .inherit.updating(updates), workingDirectory: FilePath(folder), output: .discarded, error: .discarded)
        switch result.terminationStatus {
        case .exited(let code): return Int(code)
        case .signaled(let signal): return 128 + Int(signal)
        }
    }
}
