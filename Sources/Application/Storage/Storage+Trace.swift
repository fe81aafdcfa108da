// SPDX-License-Identifier: Apache-2.0

import Postgres
package import WorkflowModel

extension Storage {
    /// Follows derivations from a datum, nearest first. A datum is derived from the input of the invocation that wrote it, from
    /// what its derivation records name, and, where a `postprocess` wrote it, from all that its instance consumed.
    ///
    /// - Parameters:
    ///   - depth: hops to follow.
    ///   - limit: data to find; four times as many links are looked at.
    /// - Returns: `nil` when the datum is not known.
    package func trace(_ datum: DatumReference, direction: TraceDirection, depth: Int, limit: Int = 10_000) async throws -> Trace? {
        try await pool.transaction(.repeatableRead) { connection in
            let layout = try connection.layout(of: datum.run, attempt: datum.attempt)
            guard
                try !connection.query("SELECT 1 FROM datum WHERE attempt = $1 AND datum = $2", [.int(layout.attempt), .datum(datum.datum)])
                    .isEmpty
            else { return nil }
            // Each step looks up few rows among many by index; the planner, which cannot know how few, would read whole tables.
            try connection.script("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off")
            let walk = try connection.walk(from: datum.datum, direction, attempt: layout.attempt, depth: depth, limit: limit)
            let rows = try connection.query(
                "SELECT \(datumColumns) FROM datum WHERE attempt = $1 AND datum = ANY ($2)",
                [.int(layout.attempt), .ints(walk.order.map { Int64($0.datum) })])
            let records = try Dictionary(
                rows.map { (try $0.datumID("datum"), try DatumRecord($0, run: datum.run, layout: layout)) },
                uniquingKeysWith: { first, _ in first })
            let steps = walk.order.compactMap { step -> TraceStep? in
                // A link may name a datum whose own record was lost with its rank.
                guard let record = records[step.datum] else { return nil }
                let related = (walk.links[step.datum] ?? []).map { DatumReference(run: datum.run, attempt: datum.attempt, datum: $0) }
                return TraceStep(depth: step.depth, datum: record, related: related)
            }
            return Trace(datum: datum, direction: direction, steps: steps, truncated: walk.truncated)
        }
    }
}

private struct Walk {
    var order: [(datum: DatumID, depth: Int)]
    /// What each datum was derived from, or what was derived from it.
    var links: [DatumID: [DatumID]] = [:]
    var truncated = false
}

extension Connection {
    /// Breadth first, a query for each level.
    fileprivate func walk(from start: DatumID, _ direction: TraceDirection, attempt: Int64, depth: Int, limit: Int) throws -> Walk {
        var walk = Walk(order: [(start, 0)])
        var seen: Set<DatumID> = [start]
        var level = [start]
        var linksLeft = 4 * limit
        for hops in 1... {
            let links = try query(direction.sql, [.int(attempt), .ints(level.map { Int64($0) }), .int(linksLeft + 1)])
            if links.count > linksLeft { walk.truncated = true }
            level = []
            for row in links.prefix(linksLeft) {
                let (origin, target) = (try row.datumID("origin"), try row.datumID("target"))
                if walk.links[origin]?.contains(target) == true { continue }
                walk.links[origin, default: []].append(target)
                guard !seen.contains(target) else { continue }
                if hops > depth || walk.order.count >= limit {
                    walk.truncated = true
                } else {
                    seen.insert(target)
                    walk.order.append((target, hops))
                    level.append(target)
                }
            }
            linksLeft -= links.count
            if level.isEmpty || linksLeft <= 0 { break }
        }
        return walk
    }
}

extension TraceDirection {
    /// Links from the data in `$2`, at most `$3`.
    fileprivate var sql: String {
        switch self {
        case .back:
            """
            SELECT start.datum AS origin, call.input AS target
            FROM unnest($2::bigint[]) AS start (datum)
            JOIN datum ON datum.attempt = $1 AND datum.datum = start.datum
            JOIN invocation AS call ON call.attempt = $1 AND call.instance = datum.instance AND call.sequence = datum.invocation
            WHERE call.input IS NOT NULL
            UNION ALL
            SELECT derivation.datum, derivation.source FROM unnest($2::bigint[]) AS start (datum)
            JOIN derivation ON derivation.attempt = $1 AND derivation.datum = start.datum
            UNION ALL
            SELECT start.datum, consumed.input
            FROM unnest($2::bigint[]) AS start (datum)
            JOIN datum ON datum.attempt = $1 AND datum.datum = start.datum
            JOIN invocation AS call ON call.attempt = $1 AND call.instance = datum.instance AND call.sequence = datum.invocation
                AND call.kind = 2
            JOIN invocation AS consumed ON consumed.attempt = $1 AND consumed.instance = call.instance AND consumed.input IS NOT NULL
            LIMIT $3
            """
        case .forward:
            """
            SELECT start.datum AS origin, written.datum AS target
            FROM unnest($2::bigint[]) AS start (datum)
            JOIN invocation AS call ON call.attempt = $1 AND call.input = start.datum
            JOIN datum AS written ON written.attempt = $1 AND written.instance = call.instance AND written.invocation = call.sequence
            UNION ALL
            SELECT derivation.source, derivation.datum FROM unnest($2::bigint[]) AS start (datum)
            JOIN derivation ON derivation.attempt = $1 AND derivation.source = start.datum
            UNION ALL
            SELECT start.datum, written.datum
            FROM unnest($2::bigint[]) AS start (datum)
            JOIN invocation AS call ON call.attempt = $1 AND call.input = start.datum
            JOIN invocation AS after ON after.attempt = $1 AND after.instance = call.instance AND after.kind = 2
            JOIN datum AS written ON written.attempt = $1 AND written.instance = after.instance AND written.invocation = after.sequence
            LIMIT $3
            """
        }
    }
}
