// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc

/// Programs that this one starts.
enum Executable {
    /// In `PATH`; nil where it is not.
    static func inPath(_ name: String) -> String? {
        folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// One of Weft's own: beside `weft`, else in `PATH`.
    static func ofWeft(_ name: String) throws(CommandFailure) -> String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        let beside = own.lastIndex(of: "/").map { String(own[..<$0]) } ?? "."
        if access("\(beside)/\(name)", X_OK) == 0 { return "\(beside)/\(name)" }
        guard let found = inPath(name) else {
            throw CommandFailure("There is no '\(name)' beside `weft` (in \(beside)) or in PATH (\(folders.joined(separator: ":"))).")
        }
        return found
    }

    private static var folders: [String] { (processEnvironment()["PATH"] ?? "").split(separator: ":").map(String.init) }
}
