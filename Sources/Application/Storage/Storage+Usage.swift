// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import Postgres
package import WorkflowModel

/// What accounts take of the cluster: by their own users, and by those of the accounts below them.
extension Storage {
    /// Half-lives after which nothing is left of what was used: a difference of powers of two would underflow far behind that.
    private static let memory = 60

    /// What the scheduler counts from, in rank-seconds, by account. What running attempts use from now on, and of a quota up to their
    /// limits, it adds itself.
    ///
    /// - Parameter counted: places of attempts that the scheduler counts as running; they may have ended since.
    /// - Returns: `total` of ended attempts since the account's `since`, where it has a quota of rank-hours; `decayed` of all attempts up
    ///   to now, those of a half-life ago counted half, where it has a share.
    package func usage(halfLife: Int, at now: Date, without counted: [Int64] = []) async throws -> [String: (
        total: Double, decayed: Double
    )] {
        try await pool.transaction(.repeatableRead) { connection in
            var usage = try connection.rankSeconds(of: nil, at: now, without: counted).mapValues { (total: $0.ended, decayed: 0.0) }
            let decayed = try connection.query(
                """
                \(members) SELECT root, sum(ranks * $3::double precision / ln(2) * (power(0.5, since_end) - power(0.5, since_start))) AS decayed
                FROM (
                    SELECT root, run.ranks,
                        greatest(0, extract(epoch FROM $2 - coalesce(attempt.ended_at, $2))::double precision / $3) AS since_end,
                        least(\(Self.memory), extract(epoch FROM $2 - attempt.started_at)::double precision / $3) AS since_start
                    FROM member JOIN run USING (owner) JOIN attempt ON attempt.run = run.id
                    WHERE share IS NOT NULL AND attempt.started_at < $2 AND (attempt.ended_at IS NULL OR attempt.ended_at > $4)
                ) AS used GROUP BY root
                """,
                [.null, .timestamp(now), .int(halfLife), .timestamp(now - TimeInterval(Self.memory * halfLife))])
            for row in decayed { usage[try row.value("root"), default: (0, 0)].decayed = try row.value("decayed") }
            return usage
        }
    }

    /// What is used of the quotas of these accounts.
    package func accountUsage(of names: [String], at now: Date) async throws -> [String: AccountStatus.Usage] {
        try await pool.transaction(.repeatableRead) { connection in
            let holding = try connection.query(
                """
                \(members) SELECT root, sum(run.ranks) AS ranks, sum(run.ranks::bigint * run.memory_per_rank)::bigint AS memory
                FROM member JOIN run USING (owner) WHERE run.state = ANY ($2) GROUP BY root
                """, [.texts(names), .names([.starting, .running, .cancelling])])
            var usage: [String: AccountStatus.Usage] = [:]
            for row in holding {
                usage[try row.value("root")] = AccountStatus.Usage(ranks: try row.value("ranks"), memory: try row.value("memory"))
            }
            for (account, seconds) in try connection.rankSeconds(of: names, at: now) {
                usage[account, default: AccountStatus.Usage()].rankHours = (seconds.ended + seconds.running) / 3600
            }
            return usage
        }
    }
}

/// The users (`owner`) of each account (`root`) that `$1` names, of all where it is null.
private let members = """
    WITH RECURSIVE below (root, account, share, hours, since) AS (
        SELECT name, name, share, rank_hours, coalesce(since, '-infinity') FROM share_account WHERE $1::text[] IS NULL OR name = ANY ($1)
        UNION ALL
        SELECT root, name, below.share, hours, below.since FROM share_account JOIN below ON parent = below.account
    ), member (root, owner, share, hours, since) AS (
        SELECT root, app_user.id, share, hours, since
        FROM below JOIN share_account_user USING (account) JOIN app_user ON label = subject || '@' || issuer
    )
    """

extension Connection {
    /// Rank-seconds of accounts that have a quota of them, each since its own `since`: of attempts that ended, and of those that run.
    fileprivate func rankSeconds(
        of names: [String]?, at now: Date, without counted: [Int64] = []
    ) throws -> [String: (ended: Double, running: Double)] {
        let rows = try query(
            """
            \(members) SELECT root, coalesce(sum(seconds) FILTER (WHERE has_ended), 0)::double precision AS ended,
                coalesce(sum(seconds) FILTER (WHERE NOT has_ended), 0)::double precision AS running
            FROM (
                SELECT root, attempt.ended_at IS NOT NULL AS has_ended,
                    run.ranks * extract(epoch FROM coalesce(attempt.ended_at, $2) - greatest(attempt.started_at, since)) AS seconds
                FROM member JOIN run USING (owner) JOIN attempt ON attempt.run = run.id
                WHERE hours IS NOT NULL AND attempt.started_at < $2 AND coalesce(attempt.ended_at, $2) > greatest(attempt.started_at, since)
                    AND (attempt.ended_at IS NULL OR attempt.ended_at > (SELECT min(since) FROM below WHERE hours IS NOT NULL))
                    AND attempt.id <> ALL ($3)
            ) AS used GROUP BY root
            """, [names.map { .texts($0) } ?? .null, .timestamp(now), .ints(counted)])
        return try Dictionary(
            uniqueKeysWithValues: rows.map { (try $0.value("root"), (try $0.value("ended"), try $0.value("running"))) })
    }
}
