// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Postgres
package import WorkflowModel

extension Storage {
    /// Counted up with every change of what operators ordered.
    package func ordersVersion() async throws -> Int64 {
        try await pool.run { connection in
            guard let row = try connection.query("SELECT version FROM cluster_orders").first else {
                throw StorageError.corrupt("no version of the cluster's orders")
            }
            return try row.value("version")
        }
    }

    package func orders() async throws -> ClusterOrders {
        try await pool.run { connection in
            let nodes = try connection.query(
                """
                SELECT node, kind, by_, reason, given_at, \(ownerLabel) FROM node_order JOIN app_user ON app_user.id = owner ORDER BY node
                """
            ).map { row in
                NodeOrder(
                    node: try row.value("node"), kind: try row.name("kind"), by: try row.optional("by_"),
                    reason: try row.optional("reason"),
                    owner: try row.value("owner_label"), givenAt: try row.value("given_at"))
            }
            return ClusterOrders(nodes: nodes, windows: try connection.windows(), accounts: try connection.accounts())
        }
    }
}

extension Connection {
    /// By their start.
    func windows() throws -> [ClusterWindow] {
        try query(
            """
            SELECT name, kind, nodes, start_at, end_at, users, reason, \(ownerLabel)
            FROM cluster_window JOIN app_user ON app_user.id = owner ORDER BY start_at, name
            """
        ).map { row in
            ClusterWindow(
                name: try row.value("name"), kind: try row.name("kind"), nodes: try row.json("nodes"), start: try row.value("start_at"),
                end: try row.value("end_at"), users: try row.json("users"), reason: try row.optional("reason"),
                owner: try row.value("owner_label"))
        }
    }
    /// By name.
    func accounts() throws -> [ShareAccount] {
        var users: [String: [String]] = [:]
        for row in try query("SELECT label, account FROM share_account_user ORDER BY label") {
            users[try row.value("account"), default: []].append(try row.value("label"))
        }
        return try query(
            "SELECT name, parent, share, ranks, borrowed_ranks, memory, rank_hours, since FROM share_account ORDER BY name"
        ).map { row in
            let name: String = try row.value("name")
            return ShareAccount(
                name: name, parent: try row.optional("parent"), users: users[name] ?? [], share: try row.optional("share"),
                ranks: try row.optional("ranks"), borrowedRanks: try row.optional("borrowed_ranks"), memory: try row.optional("memory"),
                rankHours: try row.optional("rank_hours"), since: try row.optional("since"))
        }
    }
}
