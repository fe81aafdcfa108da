// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import WorkflowModel

/// Builds virtual environments, one folder for each digest. A folder counts only once its marker file is there.
struct EnvironmentBuilder: Sendable {
    static let secondsToBuild = 1800
    static let maximumLog = 64 << 10

    var interpreter: String
    /// Holds one folder for each digest.
    var folder: String

    func folder(of digest: String) -> String { "\(folder)/\(digest)" }
    func interpreter(of digest: String) -> String { "\(folder(of: digest))/bin/python" }
    func isReady(_ digest: String) -> Bool { Files.exists(folder(of: digest) + "/.weft-complete") }
    func log(of digest: String) -> String { Files.readText("\(folder)/\(digest).log", last: Self.maximumLog) }

    /// SHA-256 (hex) of the interpreter's version and the requirements, where possible without comments and blank lines.
    static func digest(requirements: String, version: String) -> String {
        // In plain text these mean nothing to pip. They do after a line that "\" continues, and other characters may end
        // a line or name an encoding: then every byte counts.
        let isPlain = requirements.utf8.allSatisfy { (0x20..<0x7f).contains($0) && $0 != 0x5c || [0x09, 0x0a, 0x0d].contains($0) }
        let lines =
            isPlain
            ? requirements.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
                .filter { !$0.isEmpty && !$0.hasPrefix("#") }
            : [requirements]
        return SHA256.hash(data: Data(([version] + lines).joined(separator: "\n").utf8)).hexadecimal
    }

    /// - Throws: `Problem` when the interpreter cannot be started.
    func interpreterVersion() async throws -> String {
        try Files.makeFolder(folder)
        let file = "\(folder)/version-\(UUID().uuidString.lowercased())"
        defer { Files.remove(file) }
        let status = try await Shell(seconds: 30, folder: folder).run(#""$1" --version >"$2" 2>&1 </dev/null"#, [interpreter, file])
        let version = Files.readText(file, last: 200).trimmingCharacters(in: .whitespacesAndNewlines)
        guard status == 0 else {
            throw Problem(.unavailable, "The Python interpreter \(interpreter) cannot be started: set python.interpreter. \(version)")
        }
        return version
    }

    /// - Returns: `nil` when the environment is ready, otherwise why it could not be built.
    func build(_ digest: String, requirements: String) async throws -> String? {
        let target = folder(of: digest)
        Files.remove(target)
        try Files.makeFolder(target)
        try Files.write(requirements.utf8, to: target + "/requirements.txt")
        // Runs may have accounts of their own. The data folder lets nobody in who is not led.
        let script = """
            umask 022
            exec >"$3" 2>&1 </dev/null
            "$1" -m venv "$2" && exec "$2/bin/python" -m pip install --disable-pip-version-check --no-input -r "$2/requirements.txt"
            """
        let status = try await Shell(seconds: Self.secondsToBuild, folder: folder).run(
            script, [interpreter, target, "\(folder)/\(digest).log"])
        if status == 0 {
            try Files.write([], to: target + "/.weft-complete")
            return nil
        }
        Files.remove(target)
        return status == Shell.timedOut
            ? "not installed within \(Self.secondsToBuild / 60) minutes" : "the installer ended with status \(status)"
    }
}
