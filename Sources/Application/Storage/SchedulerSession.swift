// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
package import Postgres
package import WorkflowModel

/// Of several servers, one schedules: the one whose session holds the lock. It ends with its connection, so that another takes over as
/// soon as the operating system has closed that of a server which was killed. Decisions are stored on the same connection, and only while
/// no other server has begun since: what one that lost the lock has still decided is not stored.
package final class SchedulerSession: Sendable {
    /// Another than that of migrations.
    private static let lock: Int64 = 0x77_65_66_75

    private let pool: ConnectionPool

    /// - Parameter pool: of one connection, that nothing else uses.
    package init(pool: ConnectionPool) { self.pool = pool }

    package enum Standing: Sendable, Equatable {
        /// Another server schedules.
        case other
        /// This one does, and did when it last asked, if the number is the same as then.
        case mine(epoch: Int64)
    }

    package func acquire() async throws -> Standing {
        try await pool.run { connection in
            let rows = try connection.query(
                """
                SELECT CASE WHEN EXISTS (
                    SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = $1::bigint::oid AND granted
                ) THEN 'held' WHEN pg_try_advisory_lock($1) THEN 'taken' ELSE 'other' END AS standing
                """, [.int(Self.lock)])
            switch try rows.first?.value("standing", as: String.self) {
            case "held"?: return .mine(epoch: try Self.epoch("SELECT epoch FROM scheduler", connection))
            case "taken"?: return .mine(epoch: try Self.epoch("UPDATE scheduler SET epoch = epoch + 1 RETURNING epoch", connection))
            default: return .other
            }
        }
    }

    private static func epoch(_ sql: String, _ connection: Connection) throws -> Int64 {
        guard let row = try connection.query(sql).first else { throw StorageError.corrupt("no scheduler") }
        return try row.value("epoch")
    }

    /// Keeps what the scheduler of a policy has learned of its forecasts; nothing when another server schedules now.
    package func keep(_ calibration: String, of policy: String, epoch: Int64) async throws {
        try await pool.run { connection in
            _ = try connection.query(
                """
                INSERT INTO wait_calibration (policy, state) SELECT $1, $2::json FROM scheduler WHERE epoch = $3 FOR SHARE
                ON CONFLICT (policy) DO UPDATE SET state = excluded.state
                """, [.text(policy), .text(calibration), .int(epoch)])
        }
    }

    /// A run that starts.
    package struct Start: Sendable, Equatable {
        package var run: RunID
        package var attempt: Int
        package var folder: String
        package var nodes: [NodeShare]?

        package init(run: RunID, attempt: Int, folder: String, nodes: [NodeShare]?) {
            self.run = run
            self.attempt = attempt
            self.folder = folder
            self.nodes = nodes
        }
    }

    /// What one pass decided and foretold.
    package struct Decisions: Sendable {
        package var starts: [Start]
        /// Latest starts of waiting runs that are others than stored; `nil`: the run is promised none any more.
        package var promises: [RunID: Date?]
        /// Runs whose promised starts have passed.
        package var missed: Set<RunID>
        /// The waits of runs that were submitted and have not started.
        package var waits: [RunID: Prediction]

        package init(starts: [Start] = [], promises: [RunID: Date?] = [:], missed: Set<RunID> = [], waits: [RunID: Prediction] = [:]) {
            self.starts = starts
            self.promises = promises
            self.missed = missed
            self.waits = waits
        }

        var isEmpty: Bool { starts.isEmpty && promises.isEmpty && waits.isEmpty }
    }

    /// A run that has started.
    package struct Started: Sendable, Equatable {
        package var run: RunID
        /// The latest start that it was promised.
        package var promised: Date?
        /// What was foretold of its wait, and how long that was.
        package var wait: Prediction?
    }

    /// Stores decisions, all in one transaction: the runs that start are `starting`.
    ///
    /// - Returns: the runs that started; others were cancelled meanwhile. `nil`, and nothing is stored, when another server schedules now.
    package func store(_ decisions: Decisions, epoch: Int64, at time: Date) async throws -> [Started]? {
        guard !decisions.isEmpty else { return [] }
        let starts = decisions.starts
        let nodes = try starts.map { try $0.nodes.map { String(decoding: try WireJSON.encode($0), as: UTF8.self) } ?? "" }
        return try await pool.transaction { connection in
            guard try Self.epoch("SELECT epoch FROM scheduler FOR SHARE", connection) == epoch else { return nil }
            try connection.store(decisions.waits, at: time)
            try connection.store(decisions.promises)
            guard !starts.isEmpty else { return [] }
            let rows = try connection.query(
                """
                WITH new AS (
                    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[]) AS new (id, number, folder, nodes)
                ), started AS (
                    UPDATE run SET state = 'starting', pending_reason = NULL, pending_position = NULL FROM new
                    WHERE run.public_id = new.id AND run.attempt = new.number AND run.state = 'queued'
                    RETURNING run.id, run.public_id, run.attempt, run.promised_start, new.folder, new.nodes
                ), moved AS (
                    UPDATE attempt SET state = 'starting', started_at = $5, folder = started.folder, nodes = nullif(started.nodes, '')::json
                    FROM started WHERE attempt.run = started.id AND attempt.number = started.attempt
                    RETURNING started.id, started.public_id, started.promised_start, attempt.number, attempt.queued_at
                ), scored AS (
                    UPDATE prediction SET actual = extract(epoch FROM $5 - moved.queued_at)
                    FROM moved WHERE prediction.run = moved.id AND kind = 'wait' AND element = '' AND moved.number = 1
                    RETURNING prediction.*
                )
                SELECT public_id, promised_start, scored.* FROM moved LEFT JOIN scored ON scored.run = moved.id
                """,
                [
                    .uuids(starts.map(\.run.bytes)), .ints(starts.map { Int64($0.attempt) }), .texts(starts.map(\.folder)), .texts(nodes),
                    .timestamp(time),
                ])
            let started = try rows.map { row in
                Started(
                    run: try row.runID("public_id"), promised: try row.optional("promised_start"),
                    wait: try row.optional("kind", as: String.self) == nil ? nil : try row.prediction())
            }
            try connection.notify(started.map(\.run))
            return started
        }
    }
}

extension Connection {
    fileprivate func store(_ promises: [RunID: Date?]) throws {
        guard !promises.isEmpty else { return }
        let values = promises.map { ($0, $1) }
        try query(
            """
            UPDATE run SET promised_start = to_timestamp(nullif(new.start, 0)) FROM unnest($1::uuid[], $2::bigint[]) AS new (id, start)
            WHERE run.public_id = new.id AND run.state = 'queued'
            """, [.uuids(values.map(\.0.bytes)), .ints(values.map { Int64($0.1?.timeIntervalSince1970 ?? 0) })])
    }

    /// Of first attempts that wait; what was foretold before stands.
    fileprivate func store(_ waits: [RunID: Prediction], at time: Date) throws {
        guard !waits.isEmpty else { return }
        let values = waits.map { ($0, $1) }
        func seconds(_ value: Double) -> Int64 { Int64(min(value.rounded(), 1e15)) }
        try query(
            """
            INSERT INTO prediction (run, kind, element, p50, p95, basis, model, runs, made_at)
            SELECT run.id, 'wait', '', new.p50, new.p95, new.basis, new.model, '[]', $6
            FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) AS new (id, p50, p95, basis, model)
            JOIN run ON run.public_id = new.id AND run.attempt = 1 AND run.state = 'queued' ON CONFLICT DO NOTHING
            """,
            [
                .uuids(values.map(\.0.bytes)), .ints(values.map { seconds($0.1.p50) }), .ints(values.map { seconds($0.1.p95) }),
                .texts(values.map(\.1.basis.rawValue)), .texts(values.map(\.1.model)), .timestamp(time),
            ])
    }
}
