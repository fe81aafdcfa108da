// SPDX-License-Identifier: Apache-2.0

import Postgres
import Testing

private let first = Migration(version: 1, name: "first", sql: "CREATE TABLE a (x integer); INSERT INTO a VALUES (1)")
private let second = Migration(version: 2, name: "second", sql: "ALTER TABLE a ADD y integer")

@Suite struct MigrationTests {
    @Test func whatIsMissingIsAppliedOnce() async throws {
        let pool = try await freshPool()
        #expect(try await pool.migrate([first]) == [1])
        #expect(try await pool.migrate([first, second]) == [2])
        #expect(try await pool.migrate([first, second]) == [])
        #expect(try await pool.value("SELECT count(*) AS value FROM a") == 1)
    }

    @Test func programsThatStartTogetherMigrateOnce() async throws {
        let pool = try await freshPool(size: 4)
        let applied = try await withThrowingTaskGroup { group in
            for _ in 0..<4 { group.addTask { try await pool.migrate([first, second]) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(applied == [1, 2])
    }

    @Test func aNewerDatabaseIsRefused() async throws {
        let pool = try await freshPool()
        try await pool.migrate([first, second])
        await #expect { try await pool.migrate([first]) } throws: { error in
            (error as? PostgresError)?.kind == .schema && "\(error)".contains("migration 2 (second)")
        }
    }

    @Test func anEditedMigrationIsRefused() async throws {
        let pool = try await freshPool()
        try await pool.migrate([first])
        let edited = Migration(version: 1, name: "first", sql: first.sql + " ")
        await #expect { try await pool.migrate([edited]) } throws: { ($0 as? PostgresError)?.kind == .schema }
    }

    @Test func aMigrationThatFailsLeavesNothing() async throws {
        let pool = try await freshPool(size: 1, statementTimeout: .seconds(7))
        let broken = Migration(version: 2, name: "broken", sql: "CREATE TABLE b (x integer); SELECT 1 / 0")
        await #expect(throws: PostgresError.self) { try await pool.migrate([first, broken]) }
        #expect(try await pool.value("SELECT max(version) AS value FROM schema_migration") == 1)
        #expect(try await pool.value("SELECT to_regclass('b') IS NULL AS value") == true)
        // The connection's own limit is back.
        #expect(try await pool.value("SELECT current_setting('statement_timeout') AS value") == "7s")
    }
}
