// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import Postgres
package import WorkflowModel

/// Nodes that failed under the earlier attempts of a run, which few runs have.
private let avoidedNodes = """
    CASE WHEN run.attempt > 1 THEN (
        SELECT json_agg(earlier.failed_node) FROM attempt AS earlier WHERE earlier.run = run.id AND earlier.failed_node IS NOT NULL
    ) END AS avoided
    """

extension Storage {
    /// Runs that wait, in the order in which they were queued.
    /// - Parameter place: only those behind it (``QueuedRun/place``).
    package func queuedRuns(after place: Int64 = 0, limit: Int) async throws -> [QueuedRun] {
        try await queuedRuns("attempt.id > $1 ORDER BY attempt.id LIMIT $2", [.int(place), .int(limit)])
    }

    /// Those of the runs that wait.
    package func queuedRuns(among runs: [RunID]) async throws -> [QueuedRun] {
        try await queuedRuns("run.public_id = ANY ($1) ORDER BY attempt.id", [.uuids(runs.map(\.bytes))])
    }

    private func queuedRuns(_ condition: String, _ values: [PostgresValue]) async throws -> [QueuedRun] {
        try await pool.run { connection in
            try connection.query(
                """
                SELECT run.public_id, run.attempt, attempt.id AS place, attempt.queued_at, run.graph_version, run.promised_start,
                    run.expected_seconds,
                    \(resourceColumns), \(ownerLabel), \(avoidedNodes)
                FROM run JOIN attempt ON attempt.run = run.id AND attempt.number = run.attempt JOIN app_user ON app_user.id = run.owner
                WHERE run.state = 'queued' AND \(condition)
                """, values
            ).map { row in
                QueuedRun(
                    id: try row.runID("public_id"), attempt: try row.value("attempt"), place: try row.value("place"),
                    queuedAt: try row.value("queued_at"), owner: try row.value("owner_label"), graph: try row.value("graph_version"),
                    resources: try row.resources(), avoided: Set(try row.optionalJSON("avoided", as: [String].self) ?? []),
                    promisedStart: try row.optional("promised_start"), expectedSeconds: try row.optional("expected_seconds"))
            }
        }
    }

    /// Of all runs that wait.
    package func queuedIDs() async throws -> Set<RunID> {
        try await pool.run { connection in
            Set(try connection.query("SELECT public_id FROM run WHERE state = 'queued'").map { try $0.runID("public_id") })
        }
    }

    /// Attempts that ran to an end of their own, the latest ones, in the order of their ends.
    package func endedAttempts(limit: Int) async throws -> [EndedAttempt] {
        try await pool.run { connection in
            try connection.query(
                """
                SELECT run.graph_version, \(resourceColumns), attempt.queued_at, attempt.started_at, attempt.ended_at, \(ownerLabel)
                FROM (
                    SELECT run, queued_at, started_at, ended_at FROM attempt
                    WHERE state IN ('succeeded', 'failed') AND started_at IS NOT NULL AND ended_at IS NOT NULL
                    ORDER BY id DESC LIMIT $1
                ) AS attempt JOIN run ON run.id = attempt.run JOIN app_user ON app_user.id = run.owner
                ORDER BY attempt.ended_at
                """, [.int(limit)]
            ).map { row in
                EndedAttempt(
                    owner: try row.value("owner_label"), graph: try row.value("graph_version"), resources: try row.resources(),
                    queuedAt: try row.value("queued_at"), startedAt: try row.value("started_at"), endedAt: try row.value("ended_at"))
            }
        }
    }

    /// Those of the attempts that ran to an end of their own.
    package func endedByThemselves(_ attempts: [RunAttempt]) async throws -> Set<RunAttempt> {
        try await pool.run { connection in
            let rows = try connection.query(
                """
                SELECT run.public_id, attempt.number FROM unnest($1::uuid[], $2::integer[]) AS asked (id, number)
                JOIN run ON run.public_id = asked.id JOIN attempt ON attempt.run = run.id AND attempt.number = asked.number
                WHERE attempt.state IN ('succeeded', 'failed')
                """, [.uuids(attempts.map(\.run.bytes)), .ints(attempts.map { Int64($0.number) })])
            return Set(try rows.map { RunAttempt(run: try $0.runID("public_id"), number: try $0.value("number")) })
        }
    }

    /// What was kept by ``SchedulerSession/keep(_:of:epoch:)``; `nil` where nothing was.
    package func waitCalibration<Calibration: Decodable & Sendable>(of policy: String, as type: Calibration.Type) async throws
        -> Calibration?
    {
        try await pool.run { connection in
            try connection.query("SELECT state FROM wait_calibration WHERE policy = $1", [.text(policy)]).first?.json("state", as: type)
        }
    }

    /// Stores why runs wait; those that wait no longer are left alone.
    package func setPending(_ pending: [(RunID, Pending)]) async throws {
        guard !pending.isEmpty else { return }
        try await pool.transaction { connection in
            _ = try connection.query(
                """
                UPDATE run SET pending_reason = new.reason, pending_position = nullif(new.position, 0),
                    expected_start = to_timestamp(nullif(new.expected, 0)), latest_start = to_timestamp(nullif(new.latest, 0))
                FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[])
                    AS new (id, reason, position, expected, latest)
                WHERE run.public_id = new.id AND run.state IN ('queued', 'starting')
                    AND (pending_reason, pending_position, expected_start, latest_start) IS DISTINCT FROM (
                        new.reason, nullif(new.position, 0), to_timestamp(nullif(new.expected, 0)), to_timestamp(nullif(new.latest, 0)))
                """,
                [
                    .uuids(pending.map(\.0.bytes)), .texts(pending.map(\.1.reason.replacingNUL)),
                    .ints(pending.map { Int64($0.1.position ?? 0) }),
                    .ints(pending.map { Int64($0.1.expectedStart?.timeIntervalSince1970 ?? 0) }),
                    .ints(pending.map { Int64($0.1.latestStart?.timeIntervalSince1970 ?? 0) }),
                ])
        }
    }

    /// Takes places and expected starts, which are true no longer, from waiting runs that are not among the first; those with the foremost
    /// places first.
    /// - Parameter limit: runs that are changed at a time.
    package func clearPending(but first: [RunID], reason: String, limit: Int) async throws {
        try await pool.run { connection in
            _ = try connection.query(
                """
                UPDATE run SET pending_reason = $2, pending_position = NULL, expected_start = NULL, latest_start = NULL FROM (
                    SELECT id FROM run WHERE state = 'queued' AND (pending_position IS NOT NULL OR pending_reason IS DISTINCT FROM $2)
                        AND NOT EXISTS (SELECT FROM unnest($1::uuid[]) AS first (id) WHERE first.id = run.public_id)
                    ORDER BY pending_position, id LIMIT $3
                ) AS stale WHERE run.id = stale.id AND run.state = 'queued'
                """, [.uuids(first.map(\.bytes)), .text(reason), .int(limit)])
        }
    }

    /// Attempts that hold resources: `starting`, `running` or `cancelling`.
    package func activeAttempts() async throws -> [ActiveAttempt] {
        try await pool.run { connection in
            try connection.query(
                """
                SELECT run.public_id, run.attempt, \(resourceColumns), run.retry, attempt.folder, attempt.nodes, issuer, subject,
                    attempt.id AS place, attempt.started_at, run.graph_version, \(avoidedNodes)
                FROM run JOIN attempt ON attempt.run = run.id AND attempt.number = run.attempt JOIN app_user ON app_user.id = run.owner
                WHERE run.state = ANY ($1) ORDER BY attempt.id
                """, [.names([.starting, .running, .cancelling])]
            ).map { row in
                ActiveAttempt(
                    run: try row.runID("public_id"), issuer: try row.value("issuer"), subject: try row.value("subject"),
                    attempt: try row.value("attempt"), folder: try row.optional("folder"),
                    resources: try row.resources(), nodes: try row.optionalJSON("nodes"),
                    avoided: Set(try row.optionalJSON("avoided", as: [String].self) ?? []), retry: try row.retry(),
                    place: try row.value("place"), startedAt: try row.value("started_at"), graph: try row.value("graph_version"))
            }
        }
    }

    /// Moves the run and its latest attempt to another state if it is in one of `from`. `starting` sets the attempt's start,
    /// a final state its end.
    ///
    /// - Throws: `impossibleTransition` when the life cycle forbids one of the moves.
    /// - Returns: false when the run is in another state: somebody else was faster.
    package func transition(_ run: RunID, from: [RunState], to state: RunState, at time: Date, _ change: AttemptChange = AttemptChange())
        async throws -> Bool
    {
        if let forbidden = from.first(where: { !$0.mayBecome(state) }) {
            throw StorageError.impossibleTransition(from: forbidden, to: state)
        }
        return try await pool.transaction { connection in
            let (id, current) = try connection.lock(run)
            guard from.contains(current) else { return false }
            try connection.move(run, id, to: state, at: time, change)
            // Whoever asked for its end meanwhile shall have it.
            if change.isTriedAgain, current != .cancelling { try connection.queueAttemptLikeTheLast(of: run, at: time) }
            return true
        }
    }

    /// Ends a run that waits; makes one that is under way `cancelling`; leaves one that has ended.
    ///
    /// - Returns: the run's state after that.
    package func requestCancel(_ run: RunID, at time: Date) async throws -> RunState {
        try await pool.transaction { connection in
            let (id, state) = try connection.lock(run)
            let next: RunState
            switch state {
            case .submitted, .queued: next = .cancelled
            case .starting, .running: next = .cancelling
            case .succeeded, .failed, .cancelling, .cancelled: return state
            }
            try connection.move(run, id, to: next, at: time, AttemptChange())
            return next
        }
    }
}

extension Connection {
    fileprivate func move(_ run: RunID, _ id: Int64, to state: RunState, at time: Date, _ change: AttemptChange) throws {
        try query(
            "UPDATE run SET state = $2, pending_reason = NULL, pending_position = NULL WHERE id = $1", [.int(id), .text(state.rawValue)])
        try query(
            """
            UPDATE attempt SET state = $2,
                started_at = CASE WHEN $2 = 'starting' THEN $3 ELSE started_at END,
                ended_at = CASE WHEN $4 THEN $3 ELSE ended_at END,
                failure = coalesce($5, failure), folder = coalesce($6, folder), nodes = coalesce($7, nodes), modules = coalesce($8, modules),
                failed_node = coalesce($9, failed_node)
            WHERE run = $1 AND number = (SELECT attempt FROM run WHERE id = $1)
            """,
            [
                .int(id), .text(state.rawValue), .timestamp(time), .bool(state.isFinal), try .optionalJSON(change.failure?.replacingNUL),
                .text(change.folder), try .optionalJSON(change.nodes), try .optionalJSON(change.modules),
                .text(change.failure.flatMap { $0.cause == .node ? $0.node?.replacingNUL : nil }),
            ])
        try notify(run)
    }
}
