// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import Postgres
package import WorkflowModel

/// What came of giving a window.
package enum WindowOutcome: Sendable, Equatable {
    case added(ClusterWindow)
    case nameTaken
    /// A reservation of nodes that this other window has at the same time.
    case overlaps(ClusterWindow)
    case tooMany
}

/// What came of storing an account.
package enum AccountOutcome: Sendable, Equatable {
    case stored(created: Bool)
    /// It is not as the condition has it.
    case changed
    case noParent
    /// From its parent upwards, to the account itself.
    case cycle([String])
    /// A user who is in another account.
    case taken(user: String, by: String)
    case tooMany
}

package enum AccountRemoval: Sendable, Equatable {
    case removed
    case absent
    /// It is not as the condition has it.
    case changed
    case hasChildren([String])
}

extension Storage {
    /// Windows, and accounts.
    package static let maximumOrders = 1000

    /// Windows that ended so long ago are removed when another is added.
    private static let windowMemory: TimeInterval = 30 * 86400

    // MARK: Nodes

    /// Takes the place of the order that the node has.
    package func setOrder(_ order: NodeOrder, by principal: Principal) async throws {
        try await change { connection in
            try connection.query(
                """
                INSERT INTO node_order (node, kind, by_, reason, owner, given_at) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (node) DO UPDATE SET kind = $2, by_ = $3, reason = $4, owner = $5, given_at = $6
                """,
                [
                    .text(order.node), .text(order.kind.rawValue), order.by.map { .timestamp($0) } ?? .null,
                    .text(order.reason?.replacingNUL), .int(try connection.userID(principal)), .timestamp(order.givenAt),
                ])
            return ((), true)
        }
    }

    /// - Returns: whether there was one.
    package func removeOrder(ofNode node: String) async throws -> Bool { try await remove("DELETE FROM node_order WHERE node = $1", node) }

    // MARK: Windows

    package func addWindow(_ window: ClusterWindow, by principal: Principal, at now: Date) async throws -> WindowOutcome {
        try await change { connection in
            try connection.query("DELETE FROM cluster_window WHERE end_at < $1", [.timestamp(now - Self.windowMemory)])
            let present = try connection.windows()
            if present.contains(where: { $0.name == window.name }) { return (.nameTaken, false) }
            if present.count >= Self.maximumOrders { return (.tooMany, false) }
            if window.kind == .reservation, let other = present.first(where: window.overlaps) { return (.overlaps(other), false) }
            try connection.query(
                """
                INSERT INTO cluster_window (name, kind, nodes, start_at, end_at, users, reason, owner)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                """,
                [
                    .text(window.name), .text(window.kind.rawValue), try .json(window.nodes), .timestamp(window.start),
                    .timestamp(window.end), try .json(window.users), .text(window.reason?.replacingNUL),
                    .int(try connection.userID(principal)),
                ])
            guard let stored = try connection.windows().first(where: { $0.name == window.name }) else {
                throw StorageError.corrupt("no row for a window that was just stored")
            }
            return (.added(stored), true)
        }
    }

    /// - Returns: whether there was one.
    package func removeWindow(_ name: String) async throws -> Bool {
        try await remove("DELETE FROM cluster_window WHERE name = $1", name)
    }

    // MARK: Accounts

    /// Takes the place of the account of this name.
    ///
    /// - Parameter condition: that the account, as it is, has to meet; `nil` where there is none yet.
    package func putAccount(_ account: ShareAccount, where condition: @escaping @Sendable (ShareAccount?) -> Bool = { _ in true })
        async throws -> AccountOutcome
    {
        try await change { connection in
            let accounts = try connection.accounts()
            guard condition(accounts.first { $0.name == account.name }) else { return (.changed, false) }
            let parents = Dictionary(uniqueKeysWithValues: accounts.map { ($0.name, $0.parent) })
            let isNew = parents[account.name] == nil
            if isNew, parents.count >= Self.maximumOrders { return (.tooMany, false) }
            var chain: [String] = []
            var above = account.parent
            while let parent = above {
                chain.append(parent)
                if parent == account.name { return (.cycle(chain), false) }
                guard let next = parents[parent] else { return (.noParent, false) }
                above = next
            }
            let taken = try connection.query(
                "SELECT label, account FROM share_account_user WHERE label = ANY ($1) AND account <> $2 ORDER BY label LIMIT 1",
                [.texts(account.users), .text(account.name)])
            if let row = taken.first { return (.taken(user: try row.value("label"), by: try row.value("account")), false) }
            try connection.query(
                """
                INSERT INTO share_account (name, parent, share, ranks, borrowed_ranks, memory, rank_hours, since)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                ON CONFLICT (name) DO UPDATE SET parent = $2, share = $3, ranks = $4, borrowed_ranks = $5, memory = $6, rank_hours = $7,
                    since = $8
                """,
                [
                    .text(account.name), .text(account.parent), .text(account.share.map { "\($0)" }), .int(account.ranks),
                    .int(account.borrowedRanks), .int(account.memory), .text(account.rankHours.map { "\($0)" }),
                    account.since.map { .timestamp($0) } ?? .null,
                ])
            try connection.query("DELETE FROM share_account_user WHERE account = $1", [.text(account.name)])
            try connection.query(
                "INSERT INTO share_account_user (label, account) SELECT label, $2 FROM unnest($1::text[]) AS label",
                [.texts(account.users), .text(account.name)])
            return (.stored(created: isNew), true)
        }
    }

    /// - Parameter condition: that the account, as it is, has to meet.
    package func removeAccount(_ name: String, where condition: @escaping @Sendable (ShareAccount?) -> Bool = { _ in true })
        async throws -> AccountRemoval
    {
        try await change { connection in
            let accounts = try connection.accounts()
            guard let account = accounts.first(where: { $0.name == name }) else { return (.absent, false) }
            let children = accounts.filter { $0.parent == name }.map(\.name).sorted()
            if !children.isEmpty { return (.hasChildren(children), false) }
            guard condition(account) else { return (.changed, false) }
            try connection.query("DELETE FROM share_account WHERE name = $1", [.text(name)])
            return (.removed, true)
        }
    }

    // MARK: The queue

    /// Runs that wait, in the order of the queue: first those that have been given to an engine that holds them back, last those that
    /// the scheduler has not looked at. The name and the owner of a run, and more than the kind of what it waits for, are told to the owner
    /// and to administrators.
    package func queue(page: PageRequest, for principal: Principal) async throws -> Page<QueueEntry> {
        let cursor = try Cursor(page, list: .queue, keys: 2)
        let seesAll = principal.scopes.contains(.admin)
        let place = "CASE WHEN run.state = 'starting' THEN 0 ELSE coalesce(run.pending_position, 2147483647) END"
        return try await pool.run { connection in
            let rows = try connection.query(
                """
                SELECT \(place) AS place, attempt.id AS attempt_id, run.public_id,
                    run.name AS run_name, \(resourceColumns), run.submitted_at, run.pending_reason, run.pending_position,
                    run.promised_start, run.expected_start, run.latest_start, issuer, subject, \(ownerLabel)
                FROM run JOIN attempt ON attempt.run = run.id AND attempt.number = run.attempt JOIN app_user ON app_user.id = run.owner
                WHERE (run.state = 'queued' OR run.state = 'starting' AND run.pending_reason IS NOT NULL)
                    AND ($1::bigint IS NULL OR (\(place), attempt.id) > ($1, $2))
                ORDER BY place, attempt.id LIMIT $3
                """, [.text(cursor?.keys[0]), .text(cursor?.keys[1] ?? "0"), .int(page.size + 1)])
            return try Page(rows, size: page.size) { row in
                let isShown = try seesAll || row.value("issuer") == principal.issuer && row.value("subject") == principal.subject
                let resources = try row.resources()
                let why: String? = try row.optional("pending_reason")
                let isStarting = try row.value("place", as: Int64.self) == 0
                return QueueEntry(
                    id: try row.runID("public_id"), position: try row.optional("pending_position"),
                    name: isShown ? try row.optional("run_name") : nil, owner: isShown ? try row.value("owner_label") : nil,
                    ranks: resources.ranks,
                    memoryPerRank: resources.memoryPerRank, timeLimit: resources.needs.timeLimit, priority: resources.needs.priority,
                    submittedAt: try row.value("submitted_at"),
                    why: isShown ? why : why.map { Pending.Kind(of: $0, isStarting: isStarting).rawValue },
                    promisedStart: try row.optional("promised_start"),
                    expectedStart: try row.optional("expected_start"), latestStart: try row.optional("latest_start"))
            } cursor: { row in
                Cursor.text(.queue, "\(try row.value("place", as: Int64.self))", "\(try row.value("attempt_id", as: Int64.self))")
            }
        }
    }

    // MARK: Counting changes

    /// One change at a time, so that what is checked stays true until it is stored.
    ///
    /// - Parameter work: says whether it changed anything, which is counted.
    private func change<Outcome: Sendable>(_ work: @escaping @Sendable (Connection) throws -> (Outcome, changed: Bool)) async throws
        -> Outcome
    {
        try await pool.transaction { connection in
            try connection.query("SELECT version FROM cluster_orders FOR UPDATE")
            let (outcome, changed) = try work(connection)
            if changed { try connection.query("UPDATE cluster_orders SET version = version + 1") }
            return outcome
        }
    }

    private func remove(_ statement: String, _ name: String) async throws -> Bool {
        try await change { connection in
            let isThere = try connection.query(statement, [.text(name)]).affected > 0
            return (isThere, isThere)
        }
    }
}

extension ClusterWindow {
    /// Whether both have a node at the same time.
    fileprivate func overlaps(_ other: ClusterWindow) -> Bool {
        start < other.end && other.start < end && (nodes.isEmpty || other.nodes.isEmpty || !Set(nodes).isDisjoint(with: other.nodes))
    }
}
