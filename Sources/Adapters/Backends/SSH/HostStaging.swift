// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// Copies a run's folder to hosts that do not share it, and what was written there back, under the same path.
struct HostStaging {
    private static let seconds = 600

    var folder: RunFolder
    var rankProgram: String
    var hosts: [String]
    var ssh: [String]

    func deliver() async throws(BackendError) {
        for host in hosts {
            let result = try await rsync(["-aR", "--exclude=\(folder.launcher)", rankProgram, folder.path, "\(host):/"])
            guard result.status == 0 else { throw BackendError("the run's folder cannot be copied to \(host): \(result.complaint)") }
        }
    }

    /// A host that does not answer has nothing that could be had now.
    func collect(isOver: Bool) async throws(BackendError) {
        for host in hosts {
            // Segments only grow: of them only what is new is read at both ends. Everything else is small or written once.
            let from = "\(host):\(folder.path)/"
            let segments = try await rsync(["-a", "--append", "--include=*.segment", "--exclude=*", "\(from)ranks/", "\(folder.ranks)/"])
            guard segments.status == 0 else { continue }
            _ = try await rsync(["-a", "--inplace", "--exclude=*.segment", "\(from)ranks/", "\(folder.ranks)/"])
            if isOver { _ = try await rsync(["-a", "--ignore-missing-args", "\(from)work", "\(from)checkpoints", "\(folder.path)/"]) }
        }
    }

    private func rsync(_ words: [String]) async throws(BackendError) -> Command.Result {
        let agent = ssh.map(LaunchScript.quoted).joined(separator: " ")
        return try await Command(["rsync", "-e", agent] + words, seconds: Self.seconds).run()
    }
}
