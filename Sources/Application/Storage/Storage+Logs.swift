// SPDX-License-Identifier: Apache-2.0

import Postgres
package import WorkflowModel

extension Storage {
    /// Lines after `sequence`, oldest first.
    ///
    /// - Parameter attempt: `nil`: the latest.
    package func logs(_ run: RunID, attempt: Int?, rank: Int?, after sequence: Int64, limit: Int) async throws -> [LogLine] {
        try await pool.run { connection in
            let attempt = try connection.attempt(attempt, of: run)
            let rows = try connection.query(
                """
                SELECT sequence, rank, instance, stream, at, text FROM log_line
                WHERE attempt = $1 AND ($2::integer IS NULL OR rank = $2) AND sequence > $3 ORDER BY sequence LIMIT $4
                """, [.int(attempt.id), .int(rank), .int(sequence), .int(limit)])
            guard !rows.isEmpty else { return [] }
            let layout = try connection.layout(of: run, attempt: attempt.number)
            return try rows.map { row in
                let instance: Int? = try row.optional("instance")
                return LogLine(
                    sequence: try row.value("sequence"), attempt: attempt.number, rank: try row.value("rank"),
                    element: instance.flatMap { layout.element(ofInstance: $0)?.id }, instance: instance, stream: try row.name("stream"),
                    at: try row.value("at"), text: try row.value("text"))
            }
        }
    }

    /// What was written to outputs that no edge reads, in the order of its arrival.
    ///
    /// - Parameter attempt: of this one alone, with all that it wrote. `nil`: the run's, which are the latest attempt's, and, of
    ///   those that it resumes, what came of items that they had processed to their end.
    package func results(_ run: RunID, attempt: Int?, page: PageRequest) async throws -> Page<RunResult> {
        let cursor = try Cursor(page, list: .results, keys: 1)
        return try await pool.run { connection in
            let layout = try connection.layout(of: run, attempt: attempt)
            let attempts = try connection.query(
                """
                SELECT id, number FROM attempt WHERE run = (SELECT run FROM attempt WHERE id = $1) AND number <= $2 AND number >=
                    CASE WHEN $3 THEN $2 ELSE (
                        SELECT max(number) FROM attempt
                        WHERE run = (SELECT run FROM attempt WHERE id = $1) AND number <= $2 AND replayed IS NULL) END
                """, [.int(layout.attempt), .int(layout.number), .bool(attempt != nil)])
            let numbers = try Dictionary(
                uniqueKeysWithValues: attempts.map { (try $0.value("id", as: Int64.self), try $0.value("number", as: Int.self)) })
            let rows = try connection.query(
                """
                SELECT result.* FROM unnest($1::bigint[]) AS wanted (attempt) CROSS JOIN LATERAL (
                    SELECT id, attempt, datum, port, value FROM run_result
                    WHERE attempt = wanted.attempt AND id > coalesce($2::bigint, 0)
                        AND ($4 OR NOT EXISTS (SELECT FROM superseded_result WHERE result = run_result.id))
                    ORDER BY id LIMIT $3) AS result
                ORDER BY id LIMIT $3
                """, [.ints(Array(numbers.keys)), .text(cursor?.keys[0]), .int(page.size + 1), .bool(attempt != nil)])
            return try Page(rows, size: page.size) { row in
                let datum = try row.datumID("datum")
                return RunResult(
                    datum: DatumReference(run: run, attempt: numbers[try row.value("attempt")] ?? layout.number, datum: datum),
                    element: layout.name(ofInstance: datum.instance),
                    port: layout.outputPort(try row.value("port"), ofInstance: datum.instance), value: try row.json("value"))
            } cursor: {
                Cursor.text(.results, try $0.value("id"))
            }
        }
    }
}
