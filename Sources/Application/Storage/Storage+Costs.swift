// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import Postgres
package import Provenance
package import WorkflowModel

/// What the ranks of an attempt have told of its cost.
package struct MeasuredAttempt: Sendable, Equatable {
    /// By PE instance.
    package var profiles: [Int: InstanceProfile]
    /// Bytes that each rank has held with its workers at most.
    package var memory: [Int: Int64]
    /// When the attempt was given to the engine, and when the first worker began.
    package var startedAt: Date?
    package var begunAt: Date?
    /// When the last worker was ready, and when the last one ended.
    package var readyAt: Date?
    package var endedAt: Date?
}

extension Storage {
    /// Of runs of a graph, that those on as many ranks or nodes of the same class are among.
    private static let depth = 2 * Experience.depth

    package func measured(_ run: RunID, attempt: Int) async throws -> MeasuredAttempt {
        try await pool.transaction(.repeatableRead) { connection in
            let id = try connection.attempt(attempt, of: run).id
            let profiles = try connection.query(
                """
                SELECT instance, calls, items_in, items_out, bytes_out, busy, blocked, to_json(changed)::text AS changed \
                FROM instance_profile WHERE attempt = $1
                """,
                [.int(id)])
            let peaks = try connection.query(
                "SELECT rank, sum(bytes)::bigint AS bytes FROM memory_peak WHERE attempt = $1 GROUP BY rank", [.int(id)])
            let times = try connection.query(
                """
                SELECT started_at, (SELECT min(at) FROM worker_event WHERE attempt = $1 AND event = 'started') AS begun_at,
                    (SELECT max(at) FROM worker_event WHERE attempt = $1 AND event = 'ready') AS ready_at,
                    (SELECT max(at) FROM worker_event WHERE attempt = $1 AND event = 'ended') AS ended_at
                FROM attempt WHERE id = $1
                """, [.int(id)])
            return MeasuredAttempt(
                profiles: try Dictionary(
                    uniqueKeysWithValues: profiles.map {
                        let profile = InstanceProfile(
                            calls: try $0.value("calls"), itemsIn: try $0.value("items_in"), itemsOut: try $0.value("items_out"),
                            bytesOut: try $0.value("bytes_out"), busy: try $0.value("busy"), blocked: try $0.value("blocked"),
                            changed: try $0.optionalJSON("changed"))
                        return (try $0.value("instance"), profile)
                    }),
                memory: try Dictionary(uniqueKeysWithValues: peaks.map { (try $0.value("rank"), try $0.value("bytes")) }),
                startedAt: try times.first?.optional("started_at"),
                begunAt: try times.first?.optional("begun_at"), readyAt: try times.first?.optional("ready_at"),
                endedAt: try times.first?.optional("ended_at"))
        }
    }

    /// Stores what a run has cost, once, and what became of what was predicted.
    ///
    /// - Parameter kinds: of its PEs, by id.
    /// - Returns: the predictions of which it is now known what they came to; none for a run that was stored before.
    @discardableResult
    package func store(_ cost: RunCost, kinds: [String: String]) async throws -> [Prediction] {
        try await pool.transaction { connection in
            let (id, _) = try connection.lock(cost.run)
            let stored = try connection.query(
                """
                INSERT INTO run_cost (run, node_class, ranks, features, start_up, seconds, memory_per_rank, load, workers_per_rank,
                    ending)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (run) DO NOTHING
                """,
                [
                    .int(id), .text(cost.nodeClass?.replacingNUL), .int(cost.ranks), try .json(cost.features), .double(cost.startUp),
                    .double(cost.seconds), cost.memoryPerRank.map { .double($0) } ?? .null, .double(cost.load), .int(cost.workersPerRank),
                    .double(cost.ending),
                ])
            guard stored.affected == 1 else { return [] }
            let elements = cost.elements.sorted { $0.key < $1.key }
            let values = elements.map(\.value)
            try connection.query(
                """
                INSERT INTO element_cost (run, element, kind, calls, items_out, seconds_per_call, stateful, changed)
                SELECT $1, element, kind, calls, items_out, seconds, stateful,
                    CASE WHEN changed <> '' THEN ARRAY(SELECT json_array_elements_text(changed::json)) END
                FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::double precision[], $7::boolean[], $8::text[])
                    AS new (element, kind, calls, items_out, seconds, stateful, changed)
                """,
                [
                    .int(id), .texts(elements.map(\.key.replacingNUL)), .texts(elements.map { kinds[$0.key] ?? "" }),
                    .ints(values.map { Int64($0.calls) }), .ints(values.map { Int64($0.itemsOut) }), .doubles(values.map(\.secondsPerCall)),
                    .texts(values.map { "\($0.stateful)" }),
                    .texts(
                        try values.map { value in
                            try value.changed.map { String(decoding: try WireJSON.encode($0.map(\.replacingNUL)), as: UTF8.self) } ?? ""
                        }),
                ])
            let scores = try connection.predictions(id).compactMap { prediction in cost.actual(of: prediction).map { (prediction, $0) } }
            try connection.query(
                """
                UPDATE prediction SET actual = new.actual
                FROM unnest($2::text[], $3::text[], $4::double precision[]) AS new (kind, element, actual)
                WHERE run = $1 AND prediction.kind = new.kind AND prediction.element = new.element
                """,
                [
                    .int(id), .texts(scores.map(\.0.kind.rawValue)), .texts(scores.map { $0.0.element ?? "" }), .doubles(scores.map(\.1)),
                ])
            return scores.map { prediction, actual in
                var scored = prediction
                scored.actual = actual
                return scored
            }
        }
    }

    /// What is known of runs that may tell of one of this graph.
    ///
    /// - Parameter kinds: of its PEs.
    package func experience(of graph: Reference, kinds: Set<String>, owner: Principal) async throws -> Experience {
        try await pool.transaction(.repeatableRead) { connection in
            let runs = try connection.query(
                """
                SELECT run_cost.run AS key, public_id, namespace, graph_version.name, version, node_class, run_cost.ranks, features,
                    start_up, ending, seconds, run_cost.memory_per_rank, load, workers_per_rank
                FROM run_cost JOIN run ON run.id = run_cost.run JOIN graph_version ON graph_version.id = run.graph_version
                WHERE namespace = $1 AND graph_version.name = $2 ORDER BY run_cost.run DESC LIMIT $3
                """, [.text(graph.namespace), .text(graph.name), .int(Self.depth)])
            let elements = try connection.query(
                """
                SELECT run AS key, element, kind, calls, items_out, seconds_per_call, stateful, to_json(changed)::text AS changed
                FROM (
                    SELECT element_cost.* FROM unnest($1::text[]) AS wanted, LATERAL (
                        SELECT * FROM element_cost WHERE kind = wanted ORDER BY run DESC LIMIT $3
                    ) AS element_cost
                    UNION SELECT * FROM element_cost WHERE run = ANY ($2)
                ) AS found ORDER BY run DESC, element
                """,
                [
                    .texts(kinds.sorted()), .ints(try runs.prefix(Experience.depth).map { try $0.value("key") }), .int(Experience.depth),
                ])
            // A run has many PEs, and its features are long.
            let origins = try connection.query(
                """
                SELECT run_cost.run AS key, public_id, namespace, graph_version.name, version, node_class, features
                FROM run_cost JOIN run ON run.id = run_cost.run JOIN graph_version ON graph_version.id = run.graph_version
                WHERE run_cost.run = ANY ($1)
                """, [.ints(Set(try elements.map { try $0.value("key") }).sorted())])
            var origin: [Int64: (run: RunID, graph: Reference, nodeClass: String?, features: InputFeatures)] = [:]
            for row in origins {
                origin[try row.value("key")] = (
                    try row.runID("public_id"), try row.reference(), try row.optional("node_class"), try row.json("features")
                )
            }
            let users = try connection.query(
                """
                SELECT public_id, seconds FROM run_cost JOIN run ON run.id = run_cost.run JOIN app_user ON app_user.id = run.owner
                WHERE issuer = $1 AND subject = $2 ORDER BY run_cost.run DESC LIMIT $3
                """, [.text(owner.issuer), .text(owner.subject), .int(Experience.depth)])
            return Experience(
                runs: try runs.map { row in
                    RunCost(
                        run: try row.runID("public_id"), graph: try row.reference(), nodeClass: try row.optional("node_class"),
                        ranks: try row.value("ranks"), features: try row.json("features"), startUp: try row.value("start_up"),
                        ending: try row.value("ending"),
                        seconds: try row.value("seconds"), memoryPerRank: try row.optional("memory_per_rank"),
                        load: try row.value("load"), workersPerRank: try row.value("workers_per_rank"), elements: [:])
                },
                elements: try elements.compactMap { row in
                    guard let origin = origin[try row.value("key")] else { return nil }
                    return PastElement(
                        run: origin.run, graph: origin.graph, nodeClass: origin.nodeClass, features: origin.features,
                        id: try row.value("element"), kind: try row.value("kind"),
                        cost: ElementCost(
                            calls: try row.value("calls"), itemsOut: try row.value("items_out"),
                            secondsPerCall: try row.value("seconds_per_call"), stateful: try row.value("stateful"),
                            changed: try row.optionalJSON("changed")))
                },
                users: try users.map { PastTime(run: try $0.runID("public_id"), seconds: try $0.value("seconds")) })
        }
    }
}

extension Connection {
    func store(_ predictions: [Prediction], of run: Int64, at time: Date) throws {
        guard !predictions.isEmpty else { return }
        try query(
            """
            INSERT INTO prediction (run, kind, element, p50, p90, p95, basis, model, runs, made_at)
            SELECT $1, kind, element, p50, nullif(p90, -1), p95, basis, model, runs, $2
            FROM unnest($3::text[], $4::text[], $5::double precision[], $6::double precision[], $7::double precision[], $8::text[],
                $9::text[], $10::json[]) AS new (kind, element, p50, p90, p95, basis, model, runs)
            """,
            [
                .int(run), .timestamp(time), .texts(predictions.map(\.kind.rawValue)),
                .texts(predictions.map { $0.element?.replacingNUL ?? "" }),
                .doubles(predictions.map(\.p50)), .doubles(predictions.map { $0.p90 ?? -1 }), .doubles(predictions.map(\.p95)),
                .texts(predictions.map(\.basis.rawValue)), .texts(predictions.map(\.model)),
                .texts(try predictions.map { String(decoding: try WireJSON.encode($0.runs), as: UTF8.self) }),
            ])
        guard let time = predictions.first(where: { $0.kind == .runTime }) else { return }
        func seconds(_ value: Double) -> PostgresValue { .int(Int64(max(1, min(value.rounded(.up), Double(Int32.max))))) }
        try query(
            "UPDATE run SET expected_seconds = $2, expected_p90_seconds = $3, expected_p95_seconds = $4 WHERE id = $1",
            [.int(run), seconds(time.p50), seconds(time.p90 ?? time.p95), seconds(time.p95)])
    }

    /// Those of the run first, then those of its PEs.
    func predictions(_ run: Int64) throws -> [Prediction] {
        try query("SELECT * FROM prediction WHERE run = $1 ORDER BY element, kind", [.int(run)]).map { try $0.prediction() }
    }
}

extension Row {
    func prediction() throws -> Prediction {
        let element: String = try value("element")
        return Prediction(
            try name("kind"), element: element.isEmpty ? nil : element, p50: try value("p50"), p90: try optional("p90"),
            p95: try value("p95"), basis: try name("basis"), model: try value("model"), runs: try json("runs"),
            actual: try optional("actual"))
    }
}
