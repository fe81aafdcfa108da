// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// Copies a run's folder to hosts that do not share it, and what was written there back, under the same path.
struct HostStaging {
    /// A host that says nothing for so long does not answer.
    private static let silence = 60
    /// Whatever is copied goes on where it broke off.
    private static let seconds = 24 * 3600

    var folder: RunFolder
    var rankProgram: String
    var hosts: [String]
    var ssh: [String]

    func deliver() async throws(BackendError) {
        for host in hosts {
            // The folders above are the host's own affair.
            let result = try await rsync([
                "-aR", "--no-implied-dirs", "--exclude=\(folder.launcher)", rankProgram, folder.path, "\(host):/",
            ])
            guard result.status == 0 else {
                throw BackendError("the run's folder cannot be copied to \(host): \(result.complaint)", node: host)
            }
        }
    }

    /// - Parameter isOver: the files of PEs too; and nothing may be left on a host that answers.
    func collect(isOver: Bool) async throws(BackendError) {
        for host in hosts {
            // Segments only grow: of them only what is new is read at both ends. Everything else is small or written once.
            let from = "\(host):\(folder.path)/"
            var copies = [
                ["-a", "--append", "--include=*.segment", "--exclude=*", "\(from)ranks/", "\(folder.ranks)/"],
                ["-a", "--inplace", "--exclude=*.segment", "\(from)ranks/", "\(folder.ranks)/"],
            ]
            if isOver {
                copies.append(["-a", "--partial", "--ignore-missing-args", "\(from)work", "\(from)checkpoints", "\(folder.path)/"])
            }
            for copy in copies {
                let result = try await rsync(copy)
                if result.status == 0 { continue }
                guard isOver, try await answers(host) else { break }
                throw BackendError("what ranks wrote on \(host) cannot be fetched: \(result.complaint)", isPassing: true)
            }
        }
    }

    private func answers(_ host: String) async throws(BackendError) -> Bool {
        (try? await Command(ssh + [host, "true"], seconds: 10).run())?.status == 0
    }

    private func rsync(_ words: [String]) async throws(BackendError) -> Command.Result {
        let agent = ssh.map(LaunchScript.quoted).joined(separator: " ")
        return try await Command(["rsync", "--timeout=\(Self.silence)", "-e", agent] + words, seconds: Self.seconds).run()
    }
}
