// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import Postgres
package import WorkflowModel

extension Storage {
    // MARK: Creating

    /// Stores a run with its first attempt, queued.
    ///
    /// - Parameters:
    ///   - idempotencyKey: of the owner's choice; the same request under the same key again gives the run that is there.
    ///   - requestDigest: tells whether two requests are the same.
    package func createRun(_ run: NewRun, idempotencyKey: String?, requestDigest: String) async throws -> CreateOutcome {
        try await pool.transaction { connection in
            let owner = try connection.userID(run.owner)
            let created = try connection.query(
                """
                INSERT INTO run (public_id, name, graph_version, owner, state, ranks, memory_per_rank, inputs, plan, submitted_at,
                    idempotency_key, request_digest, needs, blocks, retry)
                SELECT $1, $2, graph_version.id, $3, 'queued', $4, $5, $6, $7, $8, $9, $10, $14, $15, $16
                FROM graph_version WHERE namespace = $11 AND name = $12 AND version = $13
                ON CONFLICT (owner, idempotency_key) DO NOTHING RETURNING id
                """,
                [
                    .uuid(run.id), .text(run.name?.replacingNUL), .int(owner), .int(run.resources.ranks),
                    .int(run.resources.memoryPerRank), try .json(run.inputs), try .json(run.plan), .timestamp(run.submittedAt),
                    .text(idempotencyKey), .text(requestDigest), .text(run.graph.namespace), .text(run.graph.name),
                    .text(run.graph.version),
                    try .optionalJSON(run.resources.needs == RunNeeds() ? nil : run.resources.needs),
                    try .optionalJSON(run.resources.blocks.isEmpty ? nil : run.resources.blocks),
                    try .optionalJSON(run.retry == .standard ? nil : run.retry),
                ])
            if let row = created.first {
                try connection.query(
                    "INSERT INTO attempt (run, number, state, queued_at) VALUES ($1, 1, 'queued', $2)",
                    [.int(try row.value("id", as: Int64.self)), .timestamp(run.submittedAt)])
                try connection.store(run.predictions, of: try row.value("id"), at: run.submittedAt)
                try connection.notify(run.id)
                guard let stored = try connection.run(run.id, owner: run.owner.restriction) else { throw StorageError.noRun(run.id) }
                return .created(stored)
            }
            // Either the key has been used, by this user, or there is no such graph.
            let found = try connection.query(
                "SELECT public_id, request_digest FROM run WHERE owner = $1 AND idempotency_key = $2",
                [.int(owner), .text(idempotencyKey)])
            guard let row = found.first else { throw StorageError.noGraph(run.graph) }
            guard try row.value("request_digest") == requestDigest else { return .keyReused }
            let id = try row.runID("public_id")
            guard let stored = try connection.run(id, owner: run.owner.restriction) else { throw StorageError.noRun(id) }
            return .replayed(stored)
        }
    }

    /// Adds an attempt to a run that failed or was cancelled, and queues it.
    ///
    /// - Returns: the attempt's number; `nil` when the run is in another state.
    package func retry(_ run: RunID, at time: Date) async throws -> Int? {
        try await pool.transaction { connection in
            let (_, state) = try connection.lock(run)
            guard state.isFinal, state.mayBecome(.queued) else { return nil }
            return try connection.queueAttempt(of: run, at: time, nil, skipped: 0)
        }
    }

    // MARK: Reading

    /// - Parameter principal: who asks; without `weft.admin` he sees his own runs. `nil`: the server itself.
    package func run(_ id: RunID, visibleTo principal: Principal?) async throws -> Run? {
        try await pool.transaction(.repeatableRead) { connection in try connection.run(id, owner: principal?.restriction) }
    }

    /// Those of the runs that he may see.
    package func runs(_ runs: [RunID], visibleTo principal: Principal) async throws -> Set<RunID> {
        guard let owner = principal.restriction else { return Set(runs) }
        return try await pool.run { try $0.runs(runs, of: owner) }
    }

    /// What a follower asks again and again: the run's state and the number of its latest attempt, whoever owns it.
    package func state(of run: RunID) async throws -> (state: RunState, attempt: Int)? {
        try await pool.run { connection in
            let rows = try connection.query("SELECT state, attempt FROM run WHERE public_id = $1", [.uuid(run)])
            return try rows.first.map { (state: try $0.name("state"), attempt: try $0.value("attempt")) }
        }
    }

    /// Newest first, without inputs and plans.
    ///
    /// - Parameters:
    ///   - states: empty: all.
    ///   - graph: with a version: runs of that version; without: of all.
    ///   - owner: `nil`: of all users.
    package func runs(states: Set<RunState>, graph: Reference?, name: String?, owner: Principal?, page: PageRequest) async throws
        -> Page<Run>
    {
        let cursor = try Cursor(page, list: .runs, keys: 1)
        return try await pool.transaction(.repeatableRead) { connection in
            let rows = try connection.query(
                """
                SELECT \(runColumns) \(runTables)
                WHERE ($1::text[] IS NULL OR run.state = ANY ($1)) AND ($2::text IS NULL OR graph_version.namespace = $2)
                    AND ($3::text IS NULL OR graph_version.name = $3) AND ($4::text IS NULL OR graph_version.version = $4)
                    AND ($5::text IS NULL OR run.name = $5) AND ($6::text IS NULL OR issuer = $6 AND subject = $7)
                    AND ($8::bigint IS NULL OR run.id < $8)
                ORDER BY run.id DESC LIMIT $9
                """,
                [
                    states.isEmpty ? .null : .names(states), .text(graph?.namespace), .text(graph?.name), .text(graph?.version),
                    .text(name), .text(owner?.issuer), .text(owner?.subject), .text(cursor?.keys[0]), .int(page.size + 1),
                ])
            let attempts = try connection.attempts(ofRuns: try rows.map { try $0.value("id") })
            return try Page(
                rows, size: page.size, item: { try Run($0, attempts: attempts[try $0.value("id")] ?? []) },
                cursor: { Cursor.text(.runs, try $0.value("id")) })
        }
    }

    /// Everything that a launch of the run's latest attempt needs.
    package func document(_ run: RunID) async throws -> StoredDocument? {
        try await pool.run { connection in
            let rows = try connection.query(
                """
                SELECT run.attempt, run.plan, run.inputs, graph_version.namespace, graph_version.name, graph_version.version,
                    attempt.replayed, attempt.restored
                \(runTables) JOIN attempt ON attempt.run = run.id AND attempt.number = run.attempt WHERE run.public_id = $1
                """, [.uuid(run)])
            guard let row = rows.first else { return nil }
            let reference = try row.reference()
            guard let graph = try connection.graph(reference) else { throw StorageError.noGraph(reference) }
            return StoredDocument(
                attempt: try row.value("attempt"), graph: graph, plan: try row.json("plan"), inputs: try row.json("inputs"),
                replayed: try row.optionalJSON("replayed"), restored: try row.optionalJSON("restored"))
        }
    }
}

/// What ``Row/resources()`` reads.
let resourceColumns = "run.ranks, run.memory_per_rank, run.needs, run.blocks"

/// What was promised to the attempt before is not promised to this one.
private let anotherAttempt =
    "state = 'queued', attempt = attempt + 1, promised_start = NULL, expected_start = NULL, latest_start = NULL"

/// Where nothing of single calls is recorded, the profiles alone tell of the skipped ones.
private let runColumns = """
    (SELECT greatest(attempt.skipped, (SELECT sum(skipped) FROM instance_profile WHERE instance_profile.attempt = attempt.id)::bigint)
        FROM attempt WHERE attempt.run = run.id AND attempt.number = run.attempt) AS skipped,
    run.id, run.public_id, run.name AS run_name, run.state, \(resourceColumns), run.retry, run.submitted_at,
    run.pending_reason, run.pending_position, run.promised_start, run.expected_start, run.latest_start, graph_version.namespace, graph_version.name, graph_version.version, \(ownerLabel)
    """
private let runTables = """
    FROM run JOIN graph_version ON graph_version.id = run.graph_version JOIN app_user ON app_user.id = run.owner
    """

extension Connection {
    /// - Parameter owner: `nil`: whoever owns it.
    fileprivate func run(_ id: RunID, owner: Principal?) throws -> Run? {
        let rows = try query(
            """
            SELECT \(runColumns), run.inputs, run.plan \(runTables)
            WHERE run.public_id = $1 AND ($2::text IS NULL OR issuer = $2 AND subject = $3)
            """, [.uuid(id), .text(owner?.issuer), .text(owner?.subject)])
        guard let row = rows.first else { return nil }
        let key: Int64 = try row.value("id")
        var run = try Run(row, attempts: try attempts(ofRuns: [key])[key] ?? [])
        run.inputs = try row.json("inputs")
        run.plan = try row.json("plan")
        var predictions = try predictions(key)
        if let owner {
            let own = try runs(predictions.flatMap(\.runs), of: owner)
            predictions = predictions.map { $0.naming(own) }
        }
        run.predictions = predictions.isEmpty ? nil : predictions
        return run
    }

    fileprivate func runs(_ runs: [RunID], of owner: Principal) throws -> Set<RunID> {
        guard !runs.isEmpty else { return [] }
        let rows = try query(
            """
            SELECT public_id FROM run JOIN app_user ON app_user.id = run.owner
            WHERE public_id = ANY ($1) AND issuer = $2 AND subject = $3
            """, [.uuids(Set(runs).map(\.bytes)), .text(owner.issuer), .text(owner.subject)])
        return Set(try rows.map { try $0.runID("public_id") })
    }

    fileprivate func attempts(ofRuns runs: [Int64]) throws -> [Int64: [Attempt]] {
        let rows = try query(
            """
            SELECT run, number, state, queued_at, started_at, ended_at, failure, folder, replayed_items, run_items, nodes, modules FROM attempt
            WHERE run = ANY ($1) ORDER BY run, number
            """, [.ints(runs)])
        return try Dictionary(
            rows.map { row in
                let (items, all): (Int?, Int?) = (try row.optional("replayed_items"), try row.optional("run_items"))
                let attempt = Attempt(
                    number: try row.value("number"), state: try row.name("state"), queuedAt: try row.value("queued_at"),
                    startedAt: try row.optional("started_at"), endedAt: try row.optional("ended_at"),
                    failure: try row.optionalJSON("failure"), folder: try row.optional("folder"),
                    resumed: items.flatMap { items in all.map { Resumption(items: items, of: $0) } }, nodes: try row.optionalJSON("nodes"),
                    modules: try row.optionalJSON("modules"))
                return (try row.value("run"), [attempt])
            }, uniquingKeysWith: +)
    }

    /// Queues another attempt of a run that is locked.
    ///
    /// - Parameters:
    ///   - resumed: the items that it processes; `nil`: all.
    ///   - restored: what its PEs begin with.
    ///   - skipped: data that the attempts which it resumes gave up.
    /// - Returns: its number.
    @discardableResult
    func queueAttempt(of run: RunID, at time: Date, _ resumed: ResumePlan?, restored: RestoredState? = nil, skipped: Int64) throws -> Int {
        let rows = try query(
            "UPDATE run SET \(anotherAttempt) WHERE public_id = $1 RETURNING id, attempt", [.uuid(run)])
        guard let row = rows.first else { throw StorageError.noRun(run) }
        let number: Int = try row.value("attempt")
        try query(
            """
            INSERT INTO attempt (run, number, state, queued_at, replayed, replayed_items, run_items, skipped, restored)
            VALUES ($1, $2, 'queued', $3, $4, $5, $6, $7, $8)
            """,
            [
                .int(try row.value("id", as: Int64.self)), .int(number), .timestamp(time), try .optionalJSON(resumed?.replayed),
                .int(resumed?.items), .int(resumed?.of), .int(skipped), try .optionalJSON(restored),
            ])
        try notify(run)
        return number
    }

    /// Queues another attempt of a run that is locked, with the same items, and the same state to begin with, as the latest one.
    /// Of what the latest attempt gave, or skipped, nothing counts: its items are processed again.
    func queueAttemptLikeTheLast(of run: RunID, at time: Date) throws {
        try query(
            """
            INSERT INTO superseded_result SELECT run_result.id
            FROM run JOIN attempt ON attempt.run = run.id AND attempt.number = run.attempt JOIN run_result ON run_result.attempt = attempt.id
            WHERE run.public_id = $1 AND attempt.replayed IS NOT NULL ON CONFLICT DO NOTHING
            """, [.uuid(run)])
        try query(
            """
            WITH next AS (
                UPDATE run SET \(anotherAttempt) WHERE public_id = $1 RETURNING id, attempt
            )
            INSERT INTO attempt (run, number, state, queued_at, replayed, replayed_items, run_items, skipped, restored)
            SELECT next.id, next.attempt, 'queued', $2, replayed, replayed_items, run_items,
                CASE WHEN replayed IS NULL THEN 0 ELSE greatest(0, skipped - (
                    SELECT count(*) FROM invocation WHERE invocation.attempt = last.id AND outcome = 2)) END,
                restored
            FROM next JOIN attempt AS last ON last.run = next.id AND last.number = next.attempt - 1
            """, [.uuid(run), .timestamp(time)])
        try notify(run)
    }

    /// Keeps others from changing the run until the end of the transaction.
    func lock(_ run: RunID) throws -> (id: Int64, state: RunState) {
        let rows = try query("SELECT id, state FROM run WHERE public_id = $1 FOR UPDATE", [.uuid(run)])
        guard let row = rows.first else { throw StorageError.noRun(run) }
        return (try row.value("id"), try row.name("state"))
    }

    /// Tells every server, once the transaction commits, that something of the run changed.
    func notify(_ runs: RunID...) throws { try notify(runs) }

    func notify(_ runs: [RunID]) throws {
        try query(
            "SELECT pg_notify($1, id) FROM unnest($2::text[]) AS run (id)", [.text(Storage.runChannel), .texts(runs.map(\.description))])
    }
}

extension Run {
    fileprivate init(_ row: Row, attempts: [Attempt]) throws {
        self.init(
            id: try row.runID("public_id"), name: try row.optional("run_name"), graph: try row.reference(), state: try row.name("state"),
            owner: try row.value("owner_label"), resources: try row.resources(), retry: try row.retry(),
            submittedAt: try row.value("submitted_at"), pending: try row.pending(), attempts: attempts,
            skipped: try row.value("skipped"))
    }
}

extension Row {
    fileprivate func pending() throws -> Pending? {
        guard let reason: String = try optional("pending_reason") else { return nil }
        return Pending(
            reason: reason, position: try optional("pending_position"), promisedStart: try optional("promised_start"),
            expectedStart: try optional("expected_start"), latestStart: try optional("latest_start"))
    }

    func resources() throws -> ResourceRequest {
        ResourceRequest(
            ranks: try value("ranks"), memoryPerRank: try value("memory_per_rank"), needs: try optionalJSON("needs") ?? RunNeeds(),
            blocks: try optionalJSON("blocks") ?? [])
    }

    func retry() throws -> RetryPolicy { try optionalJSON("retry") ?? .standard }
}

extension Principal {
    /// Whose runs alone he may see; `nil`: everybody's.
    fileprivate var restriction: Principal? { scopes.contains(.admin) ? nil : self }
}
