// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// Body of `PUT /api/v1/nodes/{name}/order`.
package struct NodeOrderRequest: Sendable, Codable, Hashable {
    package var kind: NodeOrder.Kind
    /// With `drain` only.
    package var by: Date?
    package var reason: String?

    package init(kind: NodeOrder.Kind, by: Date? = nil, reason: String? = nil) {
        self.kind = kind
        self.by = by
        self.reason = reason
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case kind, by, reason }
}

/// Body of `POST /api/v1/windows`.
package struct WindowRequest: Sendable, Codable, Hashable {
    package var name: String
    package var kind: ClusterWindow.Kind
    /// Absent: all nodes.
    package var nodes: [String]?
    package var start: Date
    package var end: Date
    /// With `reservation` only. Absent: all users.
    package var users: [String]?
    package var reason: String?

    package init(
        name: String, kind: ClusterWindow.Kind, nodes: [String]? = nil, start: Date, end: Date, users: [String]? = nil,
        reason: String? = nil
    ) {
        self.name = name
        self.kind = kind
        self.nodes = nodes
        self.start = start
        self.end = end
        self.users = users
        self.reason = reason
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case name, kind, nodes, start, end, users, reason }
}

/// Body of `PUT /api/v1/accounts/{name}`: all that the account is; what is absent is not limited.
package struct AccountRequest: Sendable, Codable, Hashable {
    package var parent: String?
    package var users: [String]?
    package var share: Double?
    package var ranks: Int?
    package var borrowedRanks: Int?
    package var memory: Int?
    package var rankHours: Double?
    package var since: Date?

    package init() {}

    package init(_ account: ShareAccount) {
        parent = account.parent
        users = account.users
        share = account.share
        ranks = account.ranks
        borrowedRanks = account.borrowedRanks
        memory = account.memory
        rankHours = account.rankHours
        since = account.since
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case parent, users, share, ranks, memory, since
        case borrowedRanks = "borrowed_ranks"
        case rankHours = "rank_hours"
    }
}

/// An account, and what its users and those of the accounts below it take of its quotas.
package struct AccountStatus: Sendable, Codable, Hashable {
    package struct Usage: Sendable, Codable, Hashable {
        /// Of runs that hold nodes.
        package var ranks: Int
        /// MiB of the same.
        package var memory: Int
        /// Since the account's `since`; told where there is a quota of them.
        package var rankHours: Double?

        package init(ranks: Int = 0, memory: Int = 0, rankHours: Double? = nil) {
            self.ranks = ranks
            self.memory = memory
            self.rankHours = rankHours
        }

        private enum CodingKeys: String, CodingKey {
            case ranks, memory
            case rankHours = "rank_hours"
        }
    }

    package var account: ShareAccount
    package var used: Usage

    package init(account: ShareAccount, used: Usage) {
        self.account = account
        self.used = used
    }

    package init(from decoder: any Decoder) throws {
        account = try ShareAccount(from: decoder)
        used = try decoder.container(keyedBy: CodingKeys.self).decode(Usage.self, forKey: .used)
    }

    /// One object: the account's fields and what is used.
    package func encode(to encoder: any Encoder) throws {
        try account.encode(to: encoder)
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(used, forKey: .used)
    }

    private enum CodingKeys: String, CodingKey { case used }
}

/// A run that waits, as `GET /api/v1/queue` shows it.
package struct QueueEntry: Sendable, Codable, Hashable {
    package var id: RunID
    /// From 1; absent until the scheduler has looked at the run, and where the queue is not Weft's.
    package var position: Int?
    /// Absent of runs of others, which administrators alone see.
    package var name: String?
    /// Likewise.
    package var owner: String?
    package var ranks: Int
    /// MiB.
    package var memoryPerRank: Int
    /// Seconds.
    package var timeLimit: Int?
    /// Absent: normal.
    package var priority: RunNeeds.Priority?
    package var submittedAt: Date
    /// Of runs of others no more than its ``Pending/Kind``.
    package var why: String?
    /// As in ``Pending``.
    package var promisedStart: Date?
    package var expectedStart: Date?
    package var latestStart: Date?

    package init(
        id: RunID, position: Int?, name: String?, owner: String?, ranks: Int, memoryPerRank: Int, timeLimit: Int?,
        priority: RunNeeds.Priority? = nil, submittedAt: Date,
        why: String?, promisedStart: Date? = nil, expectedStart: Date? = nil, latestStart: Date? = nil
    ) {
        self.id = id
        self.position = position
        self.name = name
        self.owner = owner
        self.ranks = ranks
        self.memoryPerRank = memoryPerRank
        self.timeLimit = timeLimit
        self.priority = priority
        self.submittedAt = submittedAt
        self.why = why
        self.promisedStart = promisedStart
        self.expectedStart = expectedStart
        self.latestStart = latestStart
    }

    private enum CodingKeys: String, CodingKey {
        case id, position, name, owner, ranks, priority, why
        case memoryPerRank = "memory_per_rank"
        case timeLimit = "time_limit"
        case submittedAt = "submitted_at"
        case promisedStart = "promised_start"
        case expectedStart = "expected_start"
        case latestStart = "latest_start"
    }
}
