// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A process, told apart from a later one that the system gave the same id.
struct ProcessIdentity: Codable, Sendable, Equatable {
    var pid: Int32
    /// Clock ticks from the start of the machine to the start of the process.
    var startTime: UInt64

    private enum CodingKeys: String, CodingKey {
        case pid
        case startTime = "start_time"
    }

    init(pid: Int32, startTime: UInt64) {
        self.pid = pid
        self.startTime = startTime
    }

    /// `nil` when no such process runs.
    init?(pid: Int32) {
        guard let stat = PrivateFile.readSystemFile("/proc/\(pid)/stat"), let startTime = Self.startTime(stat: stat) else { return nil }
        self.init(pid: pid, startTime: startTime)
    }

    var isRunning: Bool { ProcessIdentity(pid: pid) == self }

    /// From the text of `/proc/PID/stat`; `nil` for a process that has ended and only waits to be reaped.
    static func startTime(stat: String) -> UInt64? {
        // The name stands in parentheses and may hold spaces and parentheses itself.
        guard let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return UInt64(fields[19])
    }

    /// - Returns: whether it has ended within the time.
    func waitForEnd(seconds: Double) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while isRunning {
            if ContinuousClock.now >= deadline { return false }
            try await Task.sleep(for: .milliseconds(50))
        }
        return true
    }

    func send(_ signal: Int32) { if isRunning { kill(pid, signal) } }
}
