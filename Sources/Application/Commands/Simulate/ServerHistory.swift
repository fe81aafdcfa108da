// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// What a server's cluster has run, and the nodes that it has.
struct ServerHistory {
    private static let most = 1_000_000
    /// Entries from one word about the progress to the next.
    private static let step = 5000

    var entries: [HistoryEntry] = []
    var nodes: [ClusterNode] = []

    init(_ client: APIClient, since: Date?, until: Date?) async throws {
        let progress = Progress()
        let times = [("since", since), ("until", until)].compactMap { name, time in time.map { (name, WireJSON.format($0)) } }
        var loaded: [HistoryEntry] = []
        try await client.forEach("history", query: times, paging: .pages) { (entry: HistoryEntry) in
            guard loaded.count < Self.most else {
                throw CommandFailure("More than \(Self.most) attempts ran in this time: choose a shorter one with --since and --until.")
            }
            loaded.append(entry)
            if loaded.count % Self.step == 0 { progress.step("\(loaded.count) attempts loaded") }
        }
        guard !loaded.isEmpty else {
            let words = times.map { " \($0) \($1)" }.joined()
            throw CommandFailure(
                "Nothing is there to replay: no run that was queued\(words.isEmpty ? " here" : words) has started and ended.")
        }
        progress.step("\(Format.count(loaded.count, "attempt")) loaded")
        entries = loaded
        nodes = try await client.list("nodes", limit: nil, of: NodeStatus.self).items.map(\.node)
    }
}

extension [ClusterNode] {
    /// With nothing down, drained or kept for others.
    var allUp: [ClusterNode] {
        map { node in
            var node = node
            (node.state, node.reason) = (.up, nil)
            return node
        }
    }

    /// So many nodes like these, each in turn, with other slots and MiB of memory; what is absent stays as it is.
    func altered(count: Int?, slots: Int?, memory: Int?) -> [ClusterNode] {
        guard !isEmpty else { return [] }
        return (0..<(count ?? self.count)).map { index in
            var node = self[index % self.count]
            if index >= self.count { node.name += "-\(index / self.count + 1)" }
            node.slots = slots ?? node.slots
            node.memory = memory ?? node.memory
            return node
        }
    }

    var slots: Int { reduce(0) { $0 + Swift.max(0, $1.slots) } }
}
