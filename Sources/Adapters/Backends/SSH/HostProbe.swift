// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// Asks the hosts of a list what they have, and whether they answer at all.
actor HostProbe {
    private static let freshness = Duration.seconds(10)
    private static let question = "uname -m; nproc; awk '/^MemTotal/ { print $2 }' /proc/meminfo"

    private let hosts: [SSHHost]
    private let ssh: [String]
    private var known: [String: (node: ClusterNode, at: ContinuousClock.Instant)] = [:]
    private var asking: Task<[ClusterNode], Never>?

    init(hosts: [SSHHost], ssh: [String]) {
        self.hosts = hosts
        self.ssh = ssh
    }

    func nodes() async -> [ClusterNode] {
        if let asking { return await asking.value }
        let due = hosts.filter { host in known[host.name].map { .now - $0.at > Self.freshness } ?? true }
        guard !due.isEmpty else { return current }
        let task = Task { await ask(due) }
        asking = task
        let nodes = await task.value
        asking = nil
        return nodes
    }

    /// It was seen to be gone: ask before anything starts there.
    func forget(_ host: String) { known[host] = nil }

    private var current: [ClusterNode] { hosts.compactMap { known[$0.name]?.node } }

    private func ask(_ due: [SSHHost]) async -> [ClusterNode] {
        let ssh = ssh
        let found = await withTaskGroup { group in
            for host in due {
                group.addTask {
                    let answer: Result<Command.Result, BackendError>
                    do throws(BackendError) {
                        answer = .success(try await Command(ssh + [host.name, Self.question], seconds: 10).run())
                    } catch { answer = .failure(error) }
                    return Self.node(host, answer)
                }
            }
            var nodes: [ClusterNode] = []
            for await node in group { nodes.append(node) }
            return nodes
        }
        for node in found { known[node.name] = (node, .now) }
        return current
    }

    static func node(_ host: SSHHost, _ answer: Result<Command.Result, BackendError>) -> ClusterNode {
        func down(_ reason: String) -> ClusterNode {
            ClusterNode(
                name: host.name, state: .down, reason: reason, cores: 0, memory: host.memory ?? 0, slots: host.slots ?? 0,
                labels: Set(host.labels ?? []))
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
