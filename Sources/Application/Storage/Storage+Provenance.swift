// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Postgres
package import WorkflowModel

extension Storage {
    /// The data that flowed, by PE instance and in the order in which each wrote them; inputs of the run last.
    ///
    /// - Parameters:
    ///   - attempt: `nil`: the latest.
    ///   - element: id or name of a PE; an unknown one has no data.
    package func data(_ run: RunID, attempt: Int?, element: String?, page: PageRequest) async throws -> Page<DatumRecord> {
        let cursor = try Cursor(page, list: .data, keys: 1)
        return try await pool.run { connection in
            let layout = try connection.layout(of: run, attempt: attempt)
            let instances = element.map { wanted in
                layout.elements.indices.filter { layout.elements[$0].id == wanted || layout.elements[$0].name == wanted }
                    .flatMap(layout.instances(ofElement:))
            }
            let found = try connection.data(
                after: min(cursor.flatMap { Int64($0.keys[0]) } ?? -1, .max - 1), instances: instances, attempt: layout.attempt,
                limit: page.size + 1)
            let records = try connection.records(of: found.prefix(page.size), layout, run: run)
            return Page(
                items: records, next: found.count > page.size ? records.last.map { Cursor.text(.data, "\(Int64($0.id.datum))") } : nil)
        }
    }

    /// The calls that failed, by PE instance and in their order.
    ///
    /// - Parameters:
    ///   - attempt: `nil`: the latest.
    ///   - outcome: `nil`: whatever came of it.
    package func failedInvocations(_ run: RunID, attempt: Int?, outcome: FailedInvocation.Outcome?, page: PageRequest) async throws
        -> Page<FailedInvocation>
    {
        let cursor = try Cursor(page, list: .invocations, keys: 2)
        return try await pool.run { connection in
            let layout = try connection.layout(of: run, attempt: attempt)
            let rows = try connection.query(
                """
                SELECT instance, sequence, kind, outcome, input, input_port, started_at, duration / 1e9::double precision AS seconds
                FROM invocation WHERE attempt = $1 AND outcome <> 0 AND ($2::smallint IS NULL OR outcome = $2)
                    AND ($3::bigint IS NULL OR (instance, sequence) > ($3, $4::bigint))
                ORDER BY instance, sequence LIMIT $5
                """,
                [
                    .int(layout.attempt), .int(outcome.map { $0 == .failed ? 1 : 2 }), .int(cursor.flatMap { Int($0.keys[0]) }),
                    .int(cursor.flatMap { Int($0.keys[1]) }),
                    .int(page.size + 1),
                ])
            return try Page(rows, size: page.size) {
                try FailedInvocation($0, run: run, layout: layout)
            } cursor: {
                Cursor.text(.invocations, try $0.value("instance"), try $0.value("sequence"))
            }
        }
    }
}

extension FailedInvocation {
    fileprivate init(_ row: Row, run: RunID, layout: RunLayout) throws {
        let instance: Int = try row.value("instance")
        let kind: Int = try row.value("kind")
        let names = ["process", "preprocess", "postprocess"]
        let input: Int64? = try row.optional("input")
        let port: Int? = try row.optional("input_port")
        self.init(
            element: layout.name(ofInstance: instance), instance: instance, rank: layout.rank(ofInstance: instance) ?? 0,
            sequence: try row.value("sequence"), kind: names.indices.contains(kind) ? names[kind] : "\(kind)",
            outcome: try row.value("outcome") == 1 ? .failed : .skipped,
            datum: input.map { DatumReference(run: run, attempt: layout.number, datum: DatumID(rawValue: UInt64(bitPattern: $0))) },
            port: port.map { layout.inputPort($0, ofInstance: instance) }, startedAt: try row.value("started_at"),
            seconds: try row.value("seconds"))
    }
}

/// What a row of `datum` tells, or one of `datum_run` of one of its data.
struct FoundDatum {
    var id: DatumID
    var port: Int
    var size: Int64
    var at: Date
}

/// A row of `datum_run`.
private struct FoundRun {
    static let columns = "first_datum, last_datum, port, size, first_at, last_at"

    let first: Int64
    let last: Int64
    private let port: Int
    private let size: Int64
    private let firstAt: Date
    private let lastAt: Date

    init(_ row: Row) throws {
        first = try row.value("first_datum")
        last = try row.value("last_datum")
        port = try row.value("port")
        size = try row.value("size")
        firstAt = try row.value("first_at")
        lastAt = try row.value("last_at")
    }

    /// The mean size, and the time as if they had come at equal distances.
    subscript(datum: Int64) -> FoundDatum {
        let fraction = last > first ? Double(datum - first) / Double(last - first) : 0
        return FoundDatum(
            id: DatumID(rawValue: UInt64(bitPattern: datum)), port: port, size: size / (last - first + 1),
            at: fraction == 0 ? firstAt : fraction == 1 ? lastAt : firstAt + lastAt.timeIntervalSince(firstAt) * fraction)
    }
}

extension Connection {
    /// Those of the data that are known.
    func data(_ ids: [DatumID], _ layout: RunLayout, run: RunID) throws -> [DatumID: DatumRecord] {
        let wanted: [PostgresValue] = [.int(layout.attempt), .ints(ids.map { Int64($0) })]
        var found = try query("SELECT datum, port, size, at FROM datum WHERE attempt = $1 AND datum = ANY ($2)", wanted).map(
            FoundDatum.init)
        found += try query(
            """
            SELECT wanted.datum, \(FoundRun.columns) FROM unnest($2::bigint[]) AS wanted (datum)
            CROSS JOIN LATERAL \(RecordedLinks.run(of: "wanted.datum")) AS run
            """, wanted
        ).map { try FoundRun($0)[try $0.value("datum")] }
        return Dictionary(try records(of: found[...], layout, run: run).map { ($0.id.datum, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The first of the data after one, in the order of their ids. Of each run no more is looked at than is needed.
    fileprivate func data(after datum: Int64, instances: [Int]?, attempt: Int64, limit: Int) throws -> [FoundDatum] {
        let values: [PostgresValue] = [
            .int(attempt), instances.map { .ints($0.map(Int64.init)) } ?? .null, .int(datum), .int(limit),
        ]
        var found = try query(
            """
            SELECT datum, port, size, at FROM datum WHERE attempt = $1 AND ($2::integer[] IS NULL OR instance = ANY ($2)) AND datum > $3
            ORDER BY datum LIMIT $4
            """, values
        ).map(FoundDatum.init)
        let runs = try query(
            """
            (SELECT \(FoundRun.columns) FROM \(RecordedLinks.run(of: "($3::bigint + 1)")) AS run
            WHERE $2::integer[] IS NULL OR instance = ANY ($2))
            UNION ALL
            (SELECT \(FoundRun.columns) FROM datum_run
            WHERE attempt = $1 AND ($2::integer[] IS NULL OR instance = ANY ($2)) AND first_datum > $3::bigint + 1
            ORDER BY first_datum LIMIT $4)
            ORDER BY first_datum
            """, values)
        var taken = 0
        for row in runs where taken < limit {
            let run = try FoundRun(row)
            let first = max(run.first, datum + 1)
            let last = min(run.last, first + Int64(limit - taken - 1))
            found += (first...last).map { run[$0] }
            taken += Int(last - first) + 1
        }
        return Array(found.sorted { $0.id.rawValue < $1.id.rawValue }.prefix(limit))
    }

    /// With what their PEs told of them; the newest attributes win.
    fileprivate func records(of data: ArraySlice<FoundDatum>, _ layout: RunLayout, run: RunID) throws -> [DatumRecord] {
        let rows = try query(
            "SELECT datum, value FROM datum_attribute WHERE attempt = $1 AND datum = ANY ($2) ORDER BY ctid",
            [.int(layout.attempt), .ints(data.map { Int64($0.id) })])
        let attributes = try Dictionary(
            rows.map { (try $0.datumID("datum"), try $0.json("value", as: JSONValue.self)) }, uniquingKeysWith: { _, last in last })
        return data.map { datum in
            DatumRecord(
                id: DatumReference(run: run, attempt: layout.number, datum: datum.id), element: layout.name(ofInstance: datum.id.instance),
                instance: datum.id.instance,
                port: datum.id.isRunInput ? "input" : layout.outputPort(datum.port, ofInstance: datum.id.instance), size: datum.size,
                at: datum.at, attributes: attributes[datum.id])
        }
    }
}

extension FoundDatum {
    fileprivate init(_ row: Row) throws {
        self.init(id: try row.datumID("datum"), port: try row.value("port"), size: try row.value("size"), at: try row.value("at"))
    }
}
