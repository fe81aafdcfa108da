// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// What this machine has.
enum Host {
    /// PEs often wait for data, and small machines shall run more than one small run.
    static var defaultSlots: Int { max(16, 4 * ProcessInfo.processInfo.activeProcessorCount) }

    static var memoryMB: Int { Int(ProcessInfo.processInfo.physicalMemory >> 20) }

    static func besideThisProgram(_ name: String) -> String {
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(filePath: program).deletingLastPathComponent().appending(path: name).path()
    }

    /// The name itself where no folder of `PATH` has it.
    static func inPath(_ name: String) -> String {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/\(name)" }.first(where: isProgram) ?? name
    }

    static func isProgram(_ path: String) -> Bool { access(path, X_OK) == 0 }
}
