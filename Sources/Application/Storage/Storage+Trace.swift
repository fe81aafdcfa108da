// SPDX-License-Identifier: Apache-2.0

import Postgres
package import WorkflowModel

extension Storage {
    /// Follows derivations from a datum, nearest first. A datum is derived from the input of the invocation that wrote it, from
    /// what its derivation records name, and, where a `postprocess` wrote it, from all that its instance consumed.
    ///
    /// Each hop is a call of the database of its own, so that others come between; records are only ever added, so a trace of
    /// a run that goes on still tells nothing that is not so.
    ///
    /// - Parameters:
    ///   - depth: hops to follow.
    ///   - limit: data to find; four times as many links are looked at.
    /// - Returns: `nil` when the datum is not known.
    /// - Throws: `Problem(.unavailable)` when other traces go on for too long.
    package func trace(_ datum: DatumReference, direction: TraceDirection, depth: Int, limit: Int = 10_000) async throws -> Trace? {
        guard await traces.enter() else {
            try Task.checkCancellation()
            throw Problem(
                .unavailable, "The server follows \(Self.tracesAtATime) traces at a time and others are before this one; try again.")
        }
        defer { traces.leave() }
        let layout: RunLayout? = try await pool.run { connection in
            let layout = try connection.layout(of: datum.run, attempt: datum.attempt)
            return try connection.data([datum.datum], layout, run: datum.run).isEmpty ? nil : layout
        }
        guard let layout else { return nil }
        let walk = try await walk(from: datum.datum, direction, attempt: layout.attempt, depth: depth, limit: limit)
        let records = try await records(walk.order.map(\.datum), run: datum.run, layout)
        let steps = walk.order.compactMap { step -> TraceStep? in
            // A link may name a datum whose own record was lost with its rank.
            guard let record = records[step.datum] else { return nil }
            let related = (walk.links[step.datum] ?? []).map { DatumReference(run: datum.run, attempt: datum.attempt, datum: $0) }
            return TraceStep(depth: step.depth, datum: record, related: related)
        }
        return Trace(datum: datum, direction: direction, steps: steps, truncated: walk.truncated)
    }

    /// Breadth first, a query for each level.
    private func walk(from start: DatumID, _ direction: TraceDirection, attempt: Int64, depth: Int, limit: Int) async throws -> Walk {
        var walk = Walk(from: start)
        var level = [start]
        var linksLeft = 4 * limit
        for hops in 1... {
            let links = try await links(direction, of: level, attempt: attempt, limit: linksLeft + 1)
            if links.count > linksLeft { walk.truncated = true }
            level = walk.add(links.prefix(linksLeft), hops: hops, depth: depth, limit: limit)
            linksLeft -= links.count
            if level.isEmpty || linksLeft <= 0 { break }
        }
        return walk
    }

    private func links(_ direction: TraceDirection, of level: [DatumID], attempt: Int64, limit: Int) async throws -> [Link] {
        let values: [PostgresValue] = [.int(attempt), .ints(level.map { Int64($0) }), .int(limit)]
        return try await pool.transaction { connection in
            try connection.preferIndexes()
            return try connection.query(direction.sql, values).map {
                Link(origin: try $0.datumID("origin"), target: try $0.datumID("target"))
            }
        }
    }

    private func records(_ data: [DatumID], run: RunID, _ layout: RunLayout) async throws -> [DatumID: DatumRecord] {
        let batch = 2000
        var records: [DatumID: DatumRecord] = [:]
        for first in stride(from: 0, to: data.count, by: batch) {
            let ids = Array(data[first..<min(first + batch, data.count)])
            let found = try await pool.transaction { connection in
                try connection.preferIndexes()
                return try connection.data(ids, layout, run: run)
            }
            records.merge(found) { first, _ in first }
        }
        return records
    }
}

private struct Link: Hashable {
    var origin: DatumID
    var target: DatumID
}

private struct Walk {
    private(set) var order: [(datum: DatumID, depth: Int)]
    /// What each datum was derived from, or what was derived from it.
    private(set) var links: [DatumID: [DatumID]] = [:]
    var truncated = false
    private var seen: Set<DatumID>
    private var linked: Set<Link> = []

    init(from start: DatumID) {
        order = [(start, 0)]
        seen = [start]
    }

    /// - Returns: the data that are new.
    mutating func add(_ found: some Sequence<Link>, hops: Int, depth: Int, limit: Int) -> [DatumID] {
        var level: [DatumID] = []
        for link in found where linked.insert(link).inserted {
            links[link.origin, default: []].append(link.target)
            guard !seen.contains(link.target) else { continue }
            if hops > depth || order.count >= limit {
                truncated = true
            } else {
                seen.insert(link.target)
                order.append((link.target, hops))
                level.append(link.target)
            }
        }
        return level
    }
}

extension Connection {
    /// Until the end of the transaction: the planner, which does not know yet how much a run has just recorded, would read
    /// whole tables, remember what is asked once, and compile; and it would plan each of many equal questions anew.
    func preferIndexes() throws {
        try script(
            """
            SET LOCAL enable_seqscan = off; SET LOCAL enable_memoize = off; SET LOCAL jit = off;
            SET LOCAL plan_cache_mode = force_generic_plan
            """)
    }
}

extension TraceDirection {
    /// Links from the data in `$2`, at most `$3`.
    fileprivate var sql: String {
        let start = "FROM unnest($2::bigint[]) AS start (datum)"
        switch self {
        case .back:
            return """
                SELECT start.datum AS origin, call.input AS target \(start)
                CROSS JOIN LATERAL \(RecordedLinks.writer(of: "start.datum")) AS written
                CROSS JOIN LATERAL \(RecordedLinks.input(ofInstance: "written.instance", sequence: "written.sequence")) AS call
                UNION ALL
                SELECT start.datum, derived.source \(start)
                CROSS JOIN LATERAL (SELECT source FROM derivation WHERE attempt = $1 AND datum = start.datum OFFSET 0) AS derived
                UNION ALL
                SELECT start.datum, consumed.input \(start)
                CROSS JOIN LATERAL \(RecordedLinks.writer(of: "start.datum")) AS written
                CROSS JOIN LATERAL (SELECT instance FROM invocation WHERE attempt = $1 AND instance = written.instance
                    AND sequence = written.sequence AND kind = 2 OFFSET 0) AS call
                CROSS JOIN LATERAL \(RecordedLinks.inputs(ofInstance: "call.instance")) AS consumed
                LIMIT $3
                """
        case .forward:
            return """
                SELECT start.datum AS origin, written.datum AS target \(start)
                CROSS JOIN LATERAL \(RecordedLinks.readers(of: "start.datum")) AS call
                CROSS JOIN LATERAL \(RecordedLinks.data(ofInstance: "call.instance", sequence: "call.sequence")) AS written
                UNION ALL
                SELECT start.datum, derived.datum \(start)
                CROSS JOIN LATERAL (SELECT datum FROM derivation WHERE attempt = $1 AND source = start.datum OFFSET 0) AS derived
                UNION ALL
                SELECT start.datum, written.datum \(start)
                CROSS JOIN LATERAL \(RecordedLinks.readers(of: "start.datum")) AS call
                CROSS JOIN LATERAL \(RecordedLinks.postprocess(ofInstance: "call.instance")) AS after
                CROSS JOIN LATERAL \(RecordedLinks.data(ofInstance: "after.instance", sequence: "after.sequence")) AS written
                LIMIT $3
                """
        }
    }
}
