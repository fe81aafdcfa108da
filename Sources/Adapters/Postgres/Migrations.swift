// SPDX-License-Identifier: Apache-2.0

/// One step of the schema. Once released, its text must never change.
package struct Migration: Sendable {
    package var version: Int
    package var name: String
    package var sql: String

    package init(version: Int, name: String, sql: String) {
        self.version = version
        self.name = name
        self.sql = sql
    }
}

extension ConnectionPool {
    /// Brings the schema up to date: applies what is missing, each migration in a transaction of its own. Several programs may
    /// do so at the same time; the others wait for the first.
    ///
    /// - Throws: a `schema` error when the database is newer than the program, or a migration that it has applied was edited.
    /// - Returns: the versions that were applied.
    @discardableResult
    package func migrate(_ migrations: [Migration]) async throws -> [Int] {
        try await run { connection in
            // Waiting for another program's migrations, and large ones, may take long.
            let timeout = try connection.query("SELECT current_setting('statement_timeout') AS timeout").first?.value("timeout") ?? "0"
            try connection.script("SET statement_timeout = 0; SELECT pg_advisory_lock(\(Self.migrationLock))")
            defer { try? connection.script("SELECT pg_advisory_unlock(\(Self.migrationLock)); SET statement_timeout = '\(timeout)'") }
            try connection.script(
                """
                CREATE TABLE IF NOT EXISTS schema_migration (
                    version integer PRIMARY KEY, name text NOT NULL, digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
                """)
            let applied = try connection.query("SELECT version, name, digest FROM schema_migration ORDER BY version")
            for row in applied {
                let version: Int = try row.value("version")
                guard let known = migrations.first(where: { $0.version == version }) else {
                    throw PostgresError(
                        .schema,
                        "the database has migration \(version) (\(try row.value("name", as: String.self))), which this program does not know: "
                            + "it was used by a newer release. Start that release, or restore a backup from before it.")
                }
                guard try connection.digest(of: known) == row.value("digest") else {
                    throw PostgresError(
                        .schema,
                        "migration \(version) (\(known.name)) is not the one that the database was made with. "
                            + "Start the release that made it.")
                }
            }
            let newest = try applied.last?.value("version", as: Int.self) ?? 0
            var done: [Int] = []
            for migration in migrations.sorted(by: { $0.version < $1.version }) where migration.version > newest {
                try connection.transaction { connection in
                    try connection.script(migration.sql)
                    try connection.query(
                        "INSERT INTO schema_migration (version, name, digest) VALUES ($1, $2, $3)",
                        [.int(migration.version), .text(migration.name), .text(try connection.digest(of: migration))])
                }
                done.append(migration.version)
            }
            return done
        }
    }

    /// Any number that nothing else locks: "weft" in ASCII.
    private static var migrationLock: Int64 { 0x7765_6674 }
}

extension Connection {
    fileprivate func digest(of migration: Migration) throws -> String {
        let rows = try query("SELECT encode(sha256($1::bytea), 'hex') AS digest", [.bytes(Array(migration.sql.utf8))])
        guard let row = rows.first else { throw PostgresError(.schema, "the server gave no digest") }
        return try row.value("digest")
    }
}
