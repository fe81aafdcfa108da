// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// What an operator wants of a node, beside what the cluster's engine says of it. What runs there goes on in any case.
package struct NodeOrder: Sendable, Codable, Hashable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// Nothing new starts there.
        case cordon
        /// The node shall become empty: nothing starts that may still run at ``NodeOrder/by``, and nothing at all where that is not given.
        case drain
    }

    package var node: String
    package var kind: Kind
    package var by: Date?
    package var reason: String?
    /// Label of who gave it.
    package var owner: String
    package var givenAt: Date

    package init(node: String, kind: Kind, by: Date? = nil, reason: String? = nil, owner: String, givenAt: Date) {
        self.node = node
        self.kind = kind
        self.by = by
        self.reason = reason
        self.owner = owner
        self.givenAt = givenAt
    }

    private enum CodingKeys: String, CodingKey {
        case node, kind, by, reason, owner
        case givenAt = "given_at"
    }
}

/// A time for which nodes are kept free of runs.
package struct ClusterWindow: Sendable, Codable, Hashable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// Nothing runs.
        case maintenance
        /// Only runs that ask for it run: `needs.reservation` is its name.
        case reservation
    }

    /// Unique; of a reservation, what runs name.
    package var name: String
    package var kind: Kind
    /// Empty: all nodes.
    package var nodes: [String]
    package var start: Date
    package var end: Date
    /// Labels (`subject@issuer`) of the users whose runs may use a reservation; empty: all users.
    package var users: [String]
    package var reason: String?
    package var owner: String

    package init(
        name: String, kind: Kind, nodes: [String] = [], start: Date, end: Date, users: [String] = [], reason: String? = nil, owner: String
    ) {
        self.name = name
        self.kind = kind
        self.nodes = nodes
        self.start = start
        self.end = end
        self.users = users
        self.reason = reason
        self.owner = owner
    }
}

/// Whose share of the cluster runs take: a user's, or that of a group of users. Accounts form trees.
package struct ShareAccount: Sendable, Codable, Hashable {
    package var name: String
    package var parent: String?
    /// Labels (`subject@issuer`) of the users whose runs count for it. A user is in one account at most.
    package var users: [String]
    /// Beside its siblings'; absent: its runs are ordered without regard to what it used.
    package var share: Double?
    /// Running ranks.
    package var ranks: Int?
    /// Ranks beyond ``ranks`` that it may have while its siblings leave theirs unused.
    package var borrowedRanks: Int?
    /// MiB of all running ranks.
    package var memory: Int?
    /// Rank-hours in all since ``since``.
    package var rankHours: Double?
    package var since: Date?

    package init(
        name: String, parent: String? = nil, users: [String] = [], share: Double? = nil, ranks: Int? = nil, borrowedRanks: Int? = nil,
        memory: Int? = nil, rankHours: Double? = nil, since: Date? = nil
    ) {
        self.name = name
        self.parent = parent
        self.users = users
        self.share = share
        self.ranks = ranks
        self.borrowedRanks = borrowedRanks
        self.memory = memory
        self.rankHours = rankHours
        self.since = since
    }

    private enum CodingKeys: String, CodingKey {
        case name, parent, users, share, ranks, memory, since
        case borrowedRanks = "borrowed_ranks"
        case rankHours = "rank_hours"
    }
}

/// All that operators ordered of the scheduler.
package struct ClusterOrders: Sendable, Hashable {
    package var nodes: [NodeOrder]
    package var windows: [ClusterWindow]
    package var accounts: [ShareAccount]

    package init(nodes: [NodeOrder] = [], windows: [ClusterWindow] = [], accounts: [ShareAccount] = []) {
        self.nodes = nodes
        self.windows = windows
        self.accounts = accounts
    }
}
