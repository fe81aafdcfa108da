// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// Slurm's own operations, by whichever way in.
protocol SlurmController: Sendable {
    /// - Parameter lock: a file; who asks again, also after a crash, waits until this has ended.
    /// - Returns: the job's number.
    func submit(_ request: SlurmRequest, script: String, lock: String) async throws(BackendError) -> Int
    /// Jobs that wait or run, and those that ended a short time ago.
    func jobs() async throws(BackendError) -> [SlurmJob]
    /// What accounting has of jobs of that name; none where the site keeps no accounts.
    func recorded(_ name: String) async throws(BackendError) -> [SlurmJob]
    func nodes() async throws(BackendError) -> [ClusterNode]
    func cancel(_ job: Int) async throws(BackendError)
}

/// Slurm's commands, found in `PATH`.
struct SlurmCommands: SlurmController {
    private static let seconds = 60

    func submit(_ request: SlurmRequest, script: String, lock: String) async throws(BackendError) -> Int {
        // The lock is held by sbatch itself: it outlives a server that dies now.
        let result = try await run(["flock", lock, "sbatch", "--parsable"] + request.options + [script])
        guard let job = result.output.split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) }) else {
            throw BackendError("sbatch: no job number in '\(result.output)'", isPassing: true)
        }
        return job
    }

    func jobs() async throws(BackendError) -> [SlurmJob] {
        try SlurmJob.list(try await run(["squeue", "--me", "--json", "--states=all"]).output.utf8)
    }

    func recorded(_ name: String) async throws(BackendError) -> [SlurmJob] {
        let result = try await Command(["sacct", "--json", "--name=\(name)", "--starttime=now-30days"], seconds: Self.seconds).run()
        guard result.status == 0 else {
            if result.complaint.contains("accounting storage is disabled") { return [] }
            throw BackendError("sacct: \(result.complaint)", isPassing: true)
        }
        return try SlurmJob.list(result.output.utf8).filter { $0.name == name }
    }

    func nodes() async throws(BackendError) -> [ClusterNode] { try SlurmNode.list(try await run(["sinfo", "--json"]).output.utf8) }

    func cancel(_ job: Int) async throws(BackendError) { _ = try await run(["scancel", "\(job)"]) }

    private func run(_ words: [String]) async throws(BackendError) -> Command.Result {
        let result = try await Command(words, seconds: Self.seconds).run()
        guard result.status == 0 else { throw BackendError(result.complaint, isPassing: Self.isPassing(result.error)) }
        return result
    }

    /// Whether it is the controller that is away, and not the request that is wrong.
    static func isPassing(_ complaint: String) -> Bool {
        [
            "Unable to contact slurm controller", "Socket timed out", "Connection refused", "Connection timed out", "connect failure",
            "temporarily unavailable", "Zero Bytes were transmitted", "Slurm backup controller in standby mode",
        ].contains { complaint.contains($0) }
    }
}
