// SPDX-License-Identifier: Apache-2.0

import Postgres
package import WorkflowModel

extension Storage {
    private static let columns = "id, digest, state, requirements, log, created_at"
    private static let maximumLog = 64 << 10

    /// The environment, stored as `building` when it is new or failed before.
    ///
    /// - Returns: `mustBuild` for the one caller whose request made it `building`.
    package func requestEnvironment(digest: String, requirements: String) async throws
        -> (environment: PythonEnvironment, mustBuild: Bool)
    {
        try await pool.transaction { connection in
            let started = try connection.query(
                """
                INSERT INTO environment (digest, state, requirements) VALUES ($1, 'building', $2)
                ON CONFLICT (digest) DO UPDATE SET state = 'building', log = '' WHERE environment.state = 'failed'
                RETURNING \(Self.columns)
                """, [.text(digest), .text(requirements)])
            if let row = started.first { return (try Self.environment(row), true) }
            let found = try connection.query("SELECT \(Self.columns) FROM environment WHERE digest = $1", [.text(digest)])
            guard let row = found.first else { throw StorageError.noEnvironment(digest) }
            return (try Self.environment(row), false)
        }
    }

    /// - Parameter log: replaces the log; of a long one the end is kept.
    package func updateEnvironment(digest: String, state: PythonEnvironment.State, log: String) async throws {
        let log = String(decoding: log.replacingNUL.utf8.suffix(Self.maximumLog), as: UTF8.self)
        try await pool.transaction { connection in
            let rows = try connection.query(
                "UPDATE environment SET state = $2, log = $3 WHERE digest = $1", [.text(digest), .text(state.rawValue), .text(log)])
            guard rows.affected == 1 else { throw StorageError.noEnvironment(digest) }
        }
    }

    package func environment(_ digest: String) async throws -> PythonEnvironment? {
        try await pool.run { connection in
            try connection.query("SELECT \(Self.columns) FROM environment WHERE digest = $1", [.text(digest)]).first.map(Self.environment)
        }
    }

    /// Newest first.
    package func environments(page: PageRequest) async throws -> Page<PythonEnvironment> {
        let cursor = try Cursor(page, list: .environments, keys: 1)
        return try await pool.run { connection in
            let rows = try connection.query(
                "SELECT \(Self.columns) FROM environment WHERE ($1::bigint IS NULL OR id < $1) ORDER BY id DESC LIMIT $2",
                [.text(cursor?.keys[0]), .int(page.size + 1)])
            return try Page(rows, size: page.size, item: Self.environment) { Cursor.text(.environments, try $0.value("id")) }
        }
    }

    /// Those that are being built, or whose builder is gone.
    package func buildingEnvironments() async throws -> [PythonEnvironment] {
        try await pool.run { connection in
            try connection.query("SELECT \(Self.columns) FROM environment WHERE state = 'building' ORDER BY id").map(Self.environment)
        }
    }

    private static func environment(_ row: Row) throws -> PythonEnvironment {
        PythonEnvironment(
            digest: try row.value("digest"), state: try row.name("state"), requirements: try row.value("requirements"),
            log: try row.value("log"), createdAt: try row.value("created_at"))
    }
}
