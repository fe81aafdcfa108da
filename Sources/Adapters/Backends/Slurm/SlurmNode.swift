// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// The nodes as `sinfo --json`, `scontrol show nodes --json` or the REST API tells them.
enum SlurmNode {
    private struct Document: Decodable {
        var nodes: [Entry]
    }

    private struct Entry: Decodable {
        var name: String
        var state: JSONValue?
        var state_flags: [String]?
        var reason: String?
        var cpus: Int?
        var real_memory: Int?
        var architecture: String?
        var active_features: JSONValue?
        var features: JSONValue?
    }

    static func list(_ json: some Sequence<UInt8>) throws(BackendError) -> [ClusterNode] {
        do {
            return try WireJSON.decode(Document.self, from: Array(json)).nodes.map(node)
        } catch {
            throw BackendError("Slurm's list of nodes cannot be understood: \(error)", isPassing: true)
        }
    }

    private static func node(_ entry: Entry) -> ClusterNode {
        let states = Set((words(entry.state) + (entry.state_flags ?? [])).map { $0.uppercased() })
        let state: ClusterNode.State =
            if !states.isDisjoint(with: ["DOWN", "ERROR", "FAIL", "FUTURE", "NOT_RESPONDING", "NO_RESPOND", "POWERED_DOWN", "UNKNOWN"]) {
                .down
            } else if !states.isDisjoint(with: ["DRAIN", "DRAINED", "DRAINING"]) {
                .drained
            } else if !states.isDisjoint(with: ["RESERVED", "MAINT", "MAINTENANCE"]) {
                .reserved
            } else {
                .up
            }
        return ClusterNode(
            name: entry.name, state: state, reason: entry.reason.flatMap { $0.isEmpty ? nil : $0 }, cores: entry.cpus ?? 0,
            memory: entry.real_memory ?? 0, slots: entry.cpus ?? 0, architecture: entry.architecture.flatMap { $0.isEmpty ? nil : $0 },
            labels: Set(words(entry.active_features ?? entry.features)))
    }

    private static func words(_ value: JSONValue?) -> [String] {
        switch value {
        case .array(let values): values.compactMap(\.stringValue)
        case .string(let text): text.split(whereSeparator: { ",+ ".contains($0) }).map(String.init)
        default: []
        }
    }
}
