// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import WorkflowModel

/// The files in an attempt's folder through which a launch is known, whatever engine runs its launch script.
struct LauncherFiles {
    /// How far the launch script has come.
    enum Progress: Equatable {
        /// It has not begun.
        case unclaimed
        /// It has begun, so many seconds ago. What it wrote of itself then.
        case claimed(leader: String?, seconds: Int)
        case withdrawn
        case exited(Int, at: Date)
    }

    /// A launcher that has not named itself after this time never will.
    static let secondsToBegin = 60

    var folder: String

    init(_ folder: RunFolder) { self.folder = folder.launcher }

    var script: String { folder + "/launch.sh" }
    /// A folder: who makes it first may start the ranks, or has made sure that nobody will.
    var claim: String { folder + "/claimed" }
    /// Is there when the claim was a withdrawal.
    var withdrawal: String { folder + "/withdrawn" }
    var leader: String { folder + "/leader" }
    var exitStatus: String { folder + "/exit" }
    var output: String { folder + "/output" }
    /// `oom_kill N`, as the attempt's control group counted.
    private var outOfMemory: String { folder + "/oom" }
    /// What the engine calls the launch.
    var job: String { folder + "/job" }
    /// Is there before the engine is asked, which may take the launch although nobody lives to see its answer.
    var intention: String { folder + "/submitting" }
    /// Held by whoever asks the engine.
    var lock: String { folder + "/submit.lock" }

    /// Writes the script, once.
    func write(_ script: LaunchScript) throws(BackendError) {
        try BackendError.wrapping {
            try SmallFile.makeFolder(folder)
            // The exit status has its place on the disk before anything starts, so that a full disk cannot hide it.
            if try SmallFile.read(exitStatus) == nil { try SmallFile.write("   \n".utf8, to: exitStatus) }
            if try SmallFile.read(self.script) == nil { try SmallFile.write(script.text.utf8, to: self.script) }
        }
    }

    func progress() throws(BackendError) -> Progress {
        try BackendError.wrapping {
            if let exit = try exit() { return exit }
            var info = stat()
            guard stat(claim, &info) == 0 else {
                guard errno == ENOENT else { throw FileError("look at", claim, errno) }
                return .unclaimed
            }
            if access(withdrawal, F_OK) == 0 { return .withdrawn }
            let leader = try SmallFile.read(leader).map { String(decoding: $0, as: UTF8.self) }
            // It may have written its status between the two looks.
            return try exit() ?? .claimed(leader: leader, seconds: max(0, time(nil) - info.st_mtim.tv_sec))
        }
    }

    private func exit() throws(FileError) -> Progress? {
        guard let status = try SmallFile.read(exitStatus).flatMap({ Int(String(decoding: $0.prefix(3), as: UTF8.self)) }) else {
            return nil
        }
        var info = stat()
        let found = stat(exitStatus, &info) == 0
        let at = found ? Date(timeIntervalSince1970: Double(info.st_mtim.tv_sec) + Double(info.st_mtim.tv_nsec) / 1e9) : Date()
        return .exited(status, at: at)
    }

    /// - Returns: whether nothing can start any more.
    func withdraw() throws(BackendError) -> Bool {
        try BackendError.wrapping { try SmallFile.makeFolder(folder) }
        if mkdir(claim, 0o755) == 0 {
            try BackendError.wrapping { try SmallFile.write([], to: withdrawal) }
            return true
        }
        guard errno == EEXIST else { throw BackendError("\(FileError("make the folder", claim, errno))") }
        switch try progress() {
        case .withdrawn: return true
        // Whoever claimed it died before he could say a word.
        case .claimed(nil, let seconds): return seconds > Self.secondsToBegin
        case .unclaimed, .claimed, .exited: return false
        }
    }

    /// How it ended, where only the engine knew, and forgets.
    private var end: String { folder + "/end.json" }

    func readEnd() throws(BackendError) -> LaunchEnd? {
        try BackendError.wrapping { try SmallFile.read(end).flatMap { try? WireJSON.decode(LaunchEnd.self, from: $0) } }
    }

    func write(_ end: LaunchEnd) throws(BackendError) {
        try BackendError.wrapping { try SmallFile.write(try WireJSON.encode(end), to: self.end) }
    }

    /// Whether the kernel ended a process of the attempt for want of memory.
    var ranOutOfMemory: Bool {
        let counts = ((try? SmallFile.read(outOfMemory)) ?? nil).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return counts.split(separator: "\n").contains { $0.split(separator: " ").last.flatMap { Int($0) } ?? 0 > 0 }
    }

    /// The last 64 KiB of what the launcher printed.
    func readOutput() throws(FileError) -> String {
        String(decoding: (try SmallFile.read(output) ?? []).suffix(64 << 10), as: UTF8.self)
    }

    var isSubmitting: Bool { get throws(BackendError) { try BackendError.wrapping { try SmallFile.read(intention) != nil } } }

    /// Since the engine's answer was written down.
    var secondsSinceSubmission: Int? {
        var info = stat()
        guard stat(job, &info) == 0 else { return nil }
        return max(0, time(nil) - info.st_mtim.tv_sec)
    }

    func readJob() throws(BackendError) -> String? {
        try BackendError.wrapping {
            try SmallFile.read(job).map { String(decoding: $0, as: UTF8.self).filter { !$0.isWhitespace } }
        }
    }
}
