// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Subprocess
import SystemPackage

/// A short command of an engine, run to its end within a time.
struct Command: Sendable {
    struct Result: Sendable {
        /// 128 + n: by signal n.
        var status: Int
        var output: String
        var error: String

        /// The last line that says something.
        var complaint: String {
            let lines = (error + "\n" + output).split(separator: "\n").map { $0.trimmingPrefix(while: \.isWhitespace) }.filter {
                !$0.isEmpty
            }
            return lines.first.map(String.init) ?? "it ended with status \(status) and said nothing"
        }
    }

    private static let timedOut = 124
    /// It did not end when it was asked to either.
    private static let killed = 137
    private static let maximumOutput = 64 << 20

    var words: [String]
    var seconds: Int
    var environment: [String: String] = [:]

    init(_ words: [String], seconds: Int, environment: [String: String] = [:]) {
        self.words = words
        self.seconds = seconds
        self.environment = environment
    }

    /// - Throws: `BackendError` where the command cannot be run at all, or does not end in time.
    func run() async throws(BackendError) -> Result {
        let variables = DetachedScript.inheritedEnvironment.merging(environment) { $1 }
        let result: Result
        do {
            let ended = try await Subprocess.run(
                .path("/usr/bin/timeout"), arguments: Arguments(["--kill-after=2", "\(seconds)"] + words),
                environment: .custom(Dictionary(uniqueKeysWithValues: variables.map { (Environment.Key(stringLiteral: $0), $1) })),
                output: .string(limit: Self.maximumOutput), error: .string(limit: 1 << 20))
            let status =
                switch ended.terminationStatus {
                case .exited(let code): Int(code)
                case .signaled(let signal): 128 + Int(signal)
                }
            result = Result(status: status, output: ended.standardOutput, error: ended.standardError)
        } catch {
            throw BackendError("\(words[0]) gave no answer: \(error)", isPassing: true)
        }
        if result.status == Self.timedOut || result.status == Self.killed {
            throw BackendError("\(words[0]) did not answer within \(seconds) s", isPassing: true)
        }
        if result.status == 127 { throw BackendError("\(words[0]) cannot be run: \(result.complaint)") }
        return result
    }
}
