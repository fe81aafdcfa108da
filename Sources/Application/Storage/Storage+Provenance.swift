// SPDX-License-Identifier: Apache-2.0

import Postgres
package import WorkflowModel

extension Storage {
    /// What each PE instance did.
    ///
    /// - Parameter attempt: `nil`: the latest.
    package func provenanceSummary(_ run: RunID, attempt: Int?) async throws -> ProvenanceSummary {
        try await pool.transaction(.repeatableRead) { connection in
            let layout = try connection.layout(of: run, attempt: attempt)
            let invocations = try connection.query(
                """
                SELECT instance, count(*) AS invocations, count(*) FILTER (WHERE failed) AS failed, count(input) AS data_in,
                    sum(duration)::double precision / 1e9 AS busy, min(started_at) AS first_at,
                    max(started_at + duration / 1000 * interval '1 microsecond') AS last_at
                FROM invocation WHERE attempt = $1 GROUP BY instance
                """, [.int(layout.attempt)])
            let data = try connection.query(
                "SELECT instance, count(*) AS data_out, sum(size) AS bytes FROM datum WHERE attempt = $1 AND origin <> 2 GROUP BY instance",
                [.int(layout.attempt)])
            let ended = try connection.query(
                "SELECT count(*) AS ended FROM segment WHERE attempt = $1 AND ended", [.int(layout.attempt)])

            let invoked = try Dictionary(uniqueKeysWithValues: invocations.map { (try $0.value("instance", as: Int.self), $0) })
            let written = try Dictionary(uniqueKeysWithValues: data.map { (try $0.value("instance", as: Int.self), $0) })
            let elements = try layout.elements.indices.map { element in
                let first = layout.plan.firstInstances[element]
                let instances = try (first..<first + layout.plan.instanceCount(ofElement: element)).map { instance in
                    let calls = invoked[instance]
                    let output = written[instance]
                    return InstanceSummary(
                        instance: instance, rank: layout.rank(ofInstance: instance) ?? 0,
                        invocations: try calls?.value("invocations") ?? 0, failed: try calls?.value("failed") ?? 0,
                        dataIn: try calls?.value("data_in") ?? 0, dataOut: try output?.value("data_out") ?? 0,
                        bytesOut: try output?.value("bytes") ?? 0, busySeconds: try calls?.value("busy") ?? 0,
                        firstAt: try calls?.optional("first_at"), lastAt: try calls?.optional("last_at"))
                }
                return ElementSummary(element: layout.elements[element].id, instances: instances)
            }
            return ProvenanceSummary(
                run: run, attempt: layout.number, complete: try ended.first?.value("ended") == layout.plan.ranks, elements: elements)
        }
    }

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
                    .flatMap { layout.plan.firstInstances[$0]..<layout.plan.firstInstances[$0] + layout.plan.instanceCount(ofElement: $0) }
            }
            let rows = try connection.query(
                """
                SELECT \(datumColumns) FROM datum
                WHERE attempt = $1 AND ($2::integer[] IS NULL OR instance = ANY ($2)) AND ($3::bigint IS NULL OR datum > $3)
                ORDER BY datum LIMIT $4
                """,
                [
                    .int(layout.attempt), instances.map { .ints($0.map(Int64.init)) } ?? .null, .text(cursor?.keys[0]),
                    .int(page.size + 1),
                ])
            return try Page(rows, size: page.size) {
                try DatumRecord($0, run: run, layout: layout)
            } cursor: {
                Cursor.text(.data, try $0.value("datum"))
            }
        }
    }
}

/// Of the table `datum`; the newest attributes win.
let datumColumns = """
    datum, instance, origin, port, size, at,
    (SELECT value FROM datum_attribute WHERE datum_attribute.attempt = datum.attempt AND datum_attribute.datum = datum.datum
        ORDER BY ctid DESC LIMIT 1) AS attributes
    """

extension DatumRecord {
    /// From ``datumColumns``.
    init(_ row: Row, run: RunID, layout: RunLayout) throws {
        let id = try row.datumID("datum")
        let port: Int = try row.value("port")
        self.init(
            id: DatumReference(run: run, attempt: layout.number, datum: id), element: layout.name(ofInstance: id.instance),
            instance: id.instance, port: id.isRunInput ? "input" : layout.outputPort(port, ofInstance: id.instance),
            size: try row.value("size"), at: try row.value("at"), attributes: try row.optionalJSON("attributes"))
    }
}
