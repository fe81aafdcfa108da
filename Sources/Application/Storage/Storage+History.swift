// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import Postgres
package import WorkflowModel

extension Storage {
    /// Attempts that held nodes and have ended, of all users, in the order in which they were queued.
    /// - Parameter queued: when they were; the end does not count.
    package func history(queued: Range<Date>, page: PageRequest) async throws -> Page<HistoryEntry> {
        let cursor = try Cursor(page, list: .history, keys: 2)
        // By values: the attempt itself may be gone. No OR: a prepared statement would not use the index.
        let behind = cursor == nil ? "" : "AND (attempt.queued_at, attempt.id) > ($4, $5)"
        return try await pool.run { connection in
            let rows = try connection.query(
                """
                SELECT attempt.id AS attempt_id, run.public_id, attempt.number, attempt.state, attempt.queued_at, attempt.started_at,
                    attempt.ended_at, attempt.nodes, graph_version.namespace, graph_version.name, graph_version.version,
                    \(resourceColumns), \(ownerLabel)
                FROM attempt JOIN run ON run.id = attempt.run JOIN graph_version ON graph_version.id = run.graph_version
                    JOIN app_user ON app_user.id = run.owner
                WHERE attempt.started_at IS NOT NULL AND attempt.ended_at IS NOT NULL
                    AND attempt.queued_at >= $1 AND attempt.queued_at < $2 \(behind)
                ORDER BY attempt.queued_at, attempt.id LIMIT $3
                """,
                [.timestamp(queued.lowerBound), .timestamp(queued.upperBound), .int(page.size + 1)]
                    + (cursor.map { [.timestamp(Self.time(microseconds: $0.keys[0])), .text($0.keys[1])] } ?? []))
            return try Page(rows, size: page.size) { row in
                HistoryEntry(
                    run: try row.runID("public_id"), attempt: try row.value("number"), owner: try row.value("owner_label"),
                    graph: try row.reference(), resources: try row.resources(), state: try row.name("state"),
                    queuedAt: try row.value("queued_at"), startedAt: try row.value("started_at"), endedAt: try row.value("ended_at"),
                    nodes: try row.optionalJSON("nodes"))
            } cursor: { row in
                let queuedAt: Date = try row.value("queued_at")
                return Cursor.text(
                    .history, "\(Int64((queuedAt.timeIntervalSince1970 * 1e6).rounded()))", try row.value("attempt_id"))
            }
        }
    }

    /// Whoever asks may have written the number, so it is brought to what Postgres can hold.
    private static func time(microseconds: String) -> Date {
        let time = Date(timeIntervalSince1970: (Double(microseconds) ?? 0) / 1e6)
        return min(max(time, HistoryRules.times.lowerBound), HistoryRules.times.upperBound)
    }
}
