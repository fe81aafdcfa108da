// SPDX-License-Identifier: Apache-2.0

/// A node as the engine that starts ranks on it tells it.
package struct ClusterNode: Sendable, Codable, Hashable {
    package enum State: String, Sendable, Codable, CaseIterable {
        /// It takes ranks.
        case up
        /// What runs goes on; nothing new starts.
        case drained
        /// Kept for others, or for later.
        case reserved
        /// It does not answer, or has failed.
        case down
    }

    package var name: String
    package var state: State
    /// Why it is not up, in the engine's or the operator's words.
    package var reason: String?
    package var cores: Int
    /// MiB.
    package var memory: Int
    /// Ranks that it takes at a time.
    package var slots: Int
    /// As `uname -m` tells it; nil where the engine does not say.
    package var architecture: String?
    package var labels: Set<String>

    package init(
        name: String, state: State = .up, reason: String? = nil, cores: Int, memory: Int, slots: Int, architecture: String? = nil,
        labels: Set<String> = []
    ) {
        self.name = name
        self.state = state
        self.reason = reason
        self.cores = cores
        self.memory = memory
        self.slots = slots
        self.architecture = architecture
        self.labels = labels
    }

    /// Nodes of one class do not differ in what they offer a run.
    package var nodeClass: NodeClass { NodeClass(cores: cores, memory: memory, architecture: architecture, labels: labels) }
}

/// What tells nodes apart as far as a run is concerned.
package struct NodeClass: Sendable, Codable, Hashable {
    package var cores: Int
    /// MiB.
    package var memory: Int
    package var architecture: String?
    package var labels: Set<String>

    package init(cores: Int, memory: Int, architecture: String?, labels: Set<String>) {
        self.cores = cores
        self.memory = memory
        self.architecture = architecture
        self.labels = labels
    }
}

/// Consecutive ranks of a run on one node.
package struct NodeShare: Sendable, Codable, Hashable {
    package var node: String
    package var ranks: Int

    package init(node: String, ranks: Int) {
        self.node = node
        self.ranks = ranks
    }
}

/// A node, what Weft has placed on it, and what an operator ordered.
package struct NodeStatus: Sendable, Codable, Hashable {
    /// With an order, the state of a node that is not down is `drained`, for the order's reason.
    package var node: ClusterNode
    /// Ranks of Weft's runs, where Weft chose the node.
    package var ranks: Int
    package var order: NodeOrder?

    package init(node: ClusterNode, ranks: Int, order: NodeOrder? = nil) {
        self.node = node
        self.ranks = ranks
        self.order = order
        guard let order else { return }
        if node.state != .down { self.node.state = .drained }
        // What the engine says of a node that is down tells more than why it was to be left alone.
        self.node.reason = node.state == .down ? node.reason ?? order.reason : order.reason ?? node.reason
    }

    /// No rank of Weft's runs is there.
    package var isIdle: Bool { ranks == 0 }

    package init(from decoder: any Decoder) throws {
        node = try ClusterNode(from: decoder)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        ranks = try values.decode(Int.self, forKey: .ranks)
        order = try values.decodeIfPresent(NodeOrder.self, forKey: .order)
    }

    /// One object: the node's fields, the number of ranks, and the order.
    package func encode(to encoder: any Encoder) throws {
        try node.encode(to: encoder)
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(ranks, forKey: .ranks)
        try values.encode(isIdle, forKey: .idle)
        try values.encodeIfPresent(order, forKey: .order)
    }

    private enum CodingKeys: String, CodingKey { case ranks, idle, order }
}
