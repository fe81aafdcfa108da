// SPDX-License-Identifier: Apache-2.0

package import Postgres
package import WorkflowModel

/// Everything that Weft keeps in PostgreSQL: users, the registry, environments, runs, and what the ranks recorded. All SQL of
/// Weft is in this target. Each call is one unit of work in a transaction of its own.
package final class Storage: Sendable {
    /// NOTIFY channel whose payload is the id of a run of which something changed.
    package static let runChannel = "weft_run"

    /// Traces that are followed at a time, so that they cannot take all connections.
    package static let tracesAtATime = 2

    let pool: ConnectionPool
    let traces: Gate

    /// - Parameter longestTraceWait: of a trace for the end of others.
    package init(pool: ConnectionPool, longestTraceWait: Duration = .seconds(10)) {
        self.pool = pool
        traces = Gate(places: Self.tracesAtATime, queueLimit: 100, longestWait: longestTraceWait)
    }

    /// Brings the schema up to date.
    package func migrate() async throws { try await pool.migrate(Self.migrations) }

    /// Succeeds when the database answers within 2 s.
    package func ping() async throws {
        try await pool.run(longestWait: .seconds(2)) { connection in _ = try connection.query("SELECT 1") }
    }

    /// Number of runs in each state, for metrics.
    package func runCounts() async throws -> [RunState: Int] {
        try await pool.run { connection in
            let rows = try connection.query("SELECT state, count(*) AS runs FROM run GROUP BY state")
            return try Dictionary(uniqueKeysWithValues: rows.map { (try $0.name("state"), try $0.value("runs")) })
        }
    }
}

/// What a unit of work cannot do.
package enum StorageError: Error, Sendable, Equatable, CustomStringConvertible {
    case noRun(RunID)
    case noAttempt(RunID, Int)
    case noGraph(Reference)
    case noEnvironment(String)
    /// The life cycle does not allow it (``RunState/mayBecome(_:)``): a mistake of the caller.
    case impossibleTransition(from: RunState, to: RunState)
    /// A column holds what the program does not know.
    case corrupt(String)

    package var description: String {
        switch self {
        case .noRun(let run): "there is no run \(run)"
        case .noAttempt(let run, let attempt): "run \(run) has no attempt \(attempt)"
        case .noGraph(let reference): "there is no graph \(reference)"
        case .noEnvironment(let digest): "there is no environment \(digest)"
        case .impossibleTransition(let from, let to): "a run that is \(from.rawValue) cannot become \(to.rawValue)"
        case .corrupt(let what): "the database holds \(what), which this program cannot read"
        }
    }
}
