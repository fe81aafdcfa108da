// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// A node, and what of it is free.
package struct NodeRoom: Sendable, Equatable {
    package var node: ClusterNode
    /// Ranks that could start now.
    package var slots: Int
    /// MiB.
    package var memory: Int

    /// An empty node.
    package init(_ node: ClusterNode) {
        self.node = node
        slots = node.slots
        memory = node.memory
    }

    /// Counts ranks of a run as being there.
    package mutating func take(ranks: Int, memoryPerRank: Int) {
        slots -= ranks
        memory -= ranks * memoryPerRank
    }

    /// How many such ranks could start.
    func ranks(memoryPerRank: Int) -> Int {
        memoryPerRank == 0 ? max(0, slots) : max(0, min(slots, memory / memoryPerRank))
    }
}

/// Where the ranks of a run would run.
package enum Placement: Sendable, Equatable {
    /// In the order of the ranks. A node may come more than once.
    case placed([NodeShare])
    case lacking(Shortage)

    /// Why there is no place.
    package enum Shortage: Sendable, Equatable {
        /// No node, free or not, has these labels and this architecture.
        case noSuchNode(labels: Set<String>, architecture: String?, states: String)
        case slots(needed: Int, free: Int)
        case memory(needed: Int, free: Int)
        /// Together there would be enough, but no division of the ranks fits the nodes.
        case scattered(ranks: Int, fit: Int, nodes: Int?)
    }

    /// Packs the ranks that the fewest nodes suit first, each on the nodes that suit the fewest others: those with the fewest labels
    /// that the ranks do not need, and of these on as few nodes as possible.
    ///
    /// - Parameter avoided: nodes that are left out while others suffice.
    package static func find(for request: ResourceRequest, on rooms: [NodeRoom], avoiding avoided: Set<String> = []) -> Placement {
        let preferred = rooms.filter { !avoided.contains($0.node.name) }
        let first = search(request, preferred)
        if case .placed = first { return first }
        // A node that failed once is better than none, where the cluster has no others at all.
        let couldElsewhere = search(request, preferred.map { NodeRoom($0.node) })
        if case .placed = couldElsewhere { return first }
        return avoided.isEmpty ? first : search(request, rooms)
    }

    private static func search(_ request: ResourceRequest, _ rooms: [NodeRoom]) -> Placement {
        if let count = request.needs.nodes { return spread(request, over: count, rooms) }
        var rooms = rooms
        let blocks = request.blocks.isEmpty ? [RankBlock(ranks: request.ranks, labels: [])] : request.blocks
        var groups: [Set<String>: Int] = [:]
        for block in blocks { groups[block.labels, default: 0] += block.ranks }
        let scarcestFirst = groups.map { labels, ranks in
            let fitting = rooms.indices.filter { rooms[$0].suits(request.needs, labels) }
            return (labels: labels, ranks: ranks, room: fitting.reduce(0) { $0 + rooms[$1].ranks(memoryPerRank: request.memoryPerRank) })
        }.sorted { ($0.room, $0.labels.sorted().joined()) < ($1.room, $1.labels.sorted().joined()) }
        var shares: [Set<String>: [NodeShare]] = [:]
        for group in scarcestFirst {
            var left = rooms
            guard let found = pack(group.ranks, group.labels, request, &left) else {
                return .lacking(shortage(request, ranks: group.ranks, labels: group.labels, rooms))
            }
            rooms = left
            shares[group.labels] = found
        }
        return .placed(inOrder(blocks, &shares))
    }

    private static func pack(_ ranks: Int, _ labels: Set<String>, _ request: ResourceRequest, _ rooms: inout [NodeRoom]) -> [NodeShare]? {
        var left = ranks
        var shares: [NodeShare] = []
        while left > 0 {
            let fitting = rooms.indices.filter {
                rooms[$0].suits(request.needs, labels) && rooms[$0].ranks(memoryPerRank: request.memoryPerRank) > 0
            }
            func rank(_ index: Int) -> (Int, Int, String) {
                let room = rooms[index].ranks(memoryPerRank: request.memoryPerRank)
                let spare = rooms[index].node.labels.subtracting(labels).subtracting(request.needs.labels ?? []).count
                // The smallest that holds all that is left, else the largest.
                return (spare, room >= left ? room - left : Int.max - room, rooms[index].node.name)
            }
            guard let best = fitting.min(by: { rank($0) < rank($1) }) else { return nil }
            let taken = min(left, rooms[best].ranks(memoryPerRank: request.memoryPerRank))
            rooms[best].take(ranks: taken, memoryPerRank: request.memoryPerRank)
            shares.append(NodeShare(node: rooms[best].node.name, ranks: taken))
            left -= taken
        }
        return shares
    }

    /// Over just so many nodes, as evenly as it goes.
    private static func spread(_ request: ResourceRequest, over count: Int, _ rooms: [NodeRoom]) -> Placement {
        let (share, rest) = request.ranks.quotientAndRemainder(dividingBy: count)
        let memory = request.memoryPerRank
        let fitting = rooms.filter { $0.suits(request.needs, []) }.sorted {
            ($0.node.labels.count, -$0.ranks(memoryPerRank: memory), $0.node.name)
                < ($1.node.labels.count, -$1.ranks(memoryPerRank: memory), $1.node.name)
        }
        let larger = fitting.filter { $0.ranks(memoryPerRank: memory) > share }.prefix(rest)
        let others = fitting.filter { room in
            room.ranks(memoryPerRank: memory) >= share && !larger.contains { $0.node.name == room.node.name }
        }.prefix(count - rest)
        guard larger.count == rest, others.count == count - rest else {
            let fit = larger.count * (share + 1) + others.count * share
            let all = shortage(request, ranks: request.ranks, labels: [], rooms)
            if case .scattered = all { return .lacking(.scattered(ranks: request.ranks, fit: fit, nodes: count)) }
            return .lacking(all)
        }
        return .placed(
            larger.map { NodeShare(node: $0.node.name, ranks: share + 1) } + others.map { NodeShare(node: $0.node.name, ranks: share) })
    }

    private static func inOrder(_ blocks: [RankBlock], _ shares: inout [Set<String>: [NodeShare]]) -> [NodeShare] {
        var order: [NodeShare] = []
        for block in blocks {
            var left = block.ranks
            while left > 0, var next = shares[block.labels]?.first {
                let taken = min(left, next.ranks)
                left -= taken
                next.ranks -= taken
                if next.ranks == 0 { shares[block.labels]?.removeFirst() } else { shares[block.labels]?[0] = next }
                if order.last?.node == next.node {
                    order[order.count - 1].ranks += taken
                } else {
                    order.append(NodeShare(node: next.node, ranks: taken))
                }
            }
        }
        return order
    }

    static func shortage(_ request: ResourceRequest, ranks: Int, labels: Set<String>, _ rooms: [NodeRoom]) -> Shortage {
        let fitting = rooms.filter { $0.suits(request.needs, labels) }
        guard !fitting.isEmpty else {
            let idle = rooms.filter { $0.node.matches(request.needs, labels) }
            let states = idle.map { "\($0.node.name) is \($0.node.state.rawValue)" + ($0.node.reason.map { " (\($0))" } ?? "") }
            return .noSuchNode(
                labels: labels.union(request.needs.labels ?? []), architecture: request.needs.architecture,
                states: states.prefix(8).joined(separator: ", "))
        }
        let slots = fitting.reduce(0) { $0 + max(0, $1.slots) }
        if slots < ranks { return .slots(needed: ranks, free: slots) }
        let memory = fitting.reduce(0) { $0 + max(0, $1.memory) }
        if memory < ranks * request.memoryPerRank { return .memory(needed: ranks * request.memoryPerRank, free: memory) }
        return .scattered(
            ranks: ranks, fit: fitting.reduce(0) { $0 + $1.ranks(memoryPerRank: request.memoryPerRank) }, nodes: request.needs.nodes)
    }
}

extension NodeRoom {
    fileprivate func suits(_ needs: RunNeeds, _ labels: Set<String>) -> Bool { node.state == .up && node.matches(needs, labels) }
}

extension ClusterNode {
    func matches(_ needs: RunNeeds, _ labels: Set<String>) -> Bool {
        self.labels.isSuperset(of: labels) && self.labels.isSuperset(of: needs.labels ?? [])
            && (needs.architecture == nil || architecture == needs.architecture)
    }
}

extension Placement.Shortage: CustomStringConvertible {
    /// `free` of an empty cluster is what it has.
    package func sentence(_ isEmpty: Bool) -> String {
        let are = isEmpty ? "there are" : "are free"
        switch self {
        case .noSuchNode(let labels, let architecture, let states):
            let wanted = (labels.sorted() + [architecture].compactMap(\.self)).joined(separator: ", ")
            if !states.isEmpty { return "no node that would do takes ranks: \(states)" }
            return wanted.isEmpty ? "there is no node" : "no node has \(wanted)"
        case .slots(let needed, let free): return "needs \(needed) slots, " + (isEmpty ? "there are \(free)" : "\(free) \(are)")
        case .memory(let needed, let free):
            return "needs \(needed) MiB of memory, " + (isEmpty ? "there are \(free) MiB" : "\(free) MiB \(are)")
        case .scattered(let ranks, let fit, let nodes):
            let where_ = nodes.map { "on \($0) node\($0 == 1 ? "" : "s")" } ?? "on the nodes"
            return "\(fit) of \(ranks) ranks would fit \(where_) \(isEmpty ? "if they were empty" : "as they are used now")"
        }
    }

    package var description: String { sentence(false) }
}
