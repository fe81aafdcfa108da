// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// Asks the hosts of a list what they have, and whether they answer at all.
actor HostProbe {
    private static let freshness = Duration.seconds(10)
    private static let question = "uname -m; nproc; awk '/^MemTotal/ { print $2 }' /proc/meminfo"

    private struct Known {
        var node: ClusterNode
        var at: ContinuousClock.Instant
    }

    private let hosts: [SSHHost]
    private let ssh: [String]
    private var known: [String: Known] = [:]
    private var asking: [String: Task<Void, Never>] = [:]

    init(hosts: [SSHHost], ssh: [String]) {
        self.hosts = hosts
        self.ssh = ssh
    }

    /// Waits for hosts that have never been asked only; what is old is asked for again meanwhile.
    func nodes() async -> [ClusterNode] {
        for host in hosts where asking[host.name] == nil && (known[host.name].map { .now - $0.at > Self.freshness } ?? true) {
            asking[host.name] = Task { await self.ask(host) }
        }
        for host in hosts where known[host.name] == nil { await asking[host.name]?.value }
        return hosts.compactMap { known[$0.name]?.node }
    }

    /// It was seen to be gone: nothing starts there until it answers again.
    func lost(_ host: String) {
        guard var last = known[host] else { return }
        (last.node.state, last.node.reason) = (.down, "it was lost by a run")
        last.at = .now
        known[host] = last
    }

    private func ask(_ host: SSHHost) async {
        let answer: Result<Command.Result, BackendError>
        do throws(BackendError) {
            answer = .success(try await Command(ssh + [host.name, Self.question], seconds: 10).run())
        } catch { answer = .failure(error) }
        known[host.name] = Known(node: Self.node(host, answer, last: known[host.name]?.node), at: .now)
        asking[host.name] = nil
    }

    /// - Parameter last: what was known of it, which a host that does not answer still has.
    static func node(_ host: SSHHost, _ answer: Result<Command.Result, BackendError>, last: ClusterNode? = nil) -> ClusterNode {
        func down(_ reason: String) -> ClusterNode {
            ClusterNode(
                name: host.name, state: .down, reason: reason, cores: last?.cores ?? 0, memory: host.memory ?? last?.memory ?? 0,
                slots: host.slots ?? last?.slots ?? 0, architecture: last?.architecture, labels: Set(host.labels ?? []))
        }
        switch answer {
        case .failure(let error): return down("\(error)")
        case .success(let result):
            let lines = result.output.split(separator: "\n").map(String.init)
            guard result.status == 0, lines.count >= 3, let cores = Int(lines[1]), let kilobytes = Int(lines[2]) else {
                return down("ssh: \(result.complaint)")
            }
            return ClusterNode(
                name: host.name, cores: cores, memory: host.memory ?? kilobytes >> 10, slots: host.slots ?? cores, architecture: lines[0],
                labels: Set(host.labels ?? []))
        }
    }
}
