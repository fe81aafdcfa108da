// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct ConnectionTests {
    @Test func valuesComeBackAsTheyWent() async throws {
        let pool = try await freshPool()
        let text = "ü漢🙂 ' \" \\ {,}"
        #expect(try await pool.value("SELECT $1::text AS value", [.text(text)]) == text)
        #expect(try await pool.value("SELECT $1::bigint AS value", [.int(Int64.min)]) == Int64.min)
        #expect(try await pool.value("SELECT $1::bigint AS value", [.int(Int64.max)]) == Int64.max)
        #expect(try await pool.value("SELECT $1::boolean AS value", [.bool(true)]) == true)
        let bytes = (0...255).map { UInt8($0) }
        #expect(try await pool.value("SELECT $1::bytea AS value", [.bytes(bytes)]) == bytes)
        #expect(try await pool.value("SELECT $1::uuid AS value", [.uuid(Array(bytes[16..<32]))]) == Array(bytes[16..<32]))
        #expect(try await pool.value("SELECT ($1::text[])[2] AS value", [.texts(["a", text])]) == text)
        #expect(try await pool.value("SELECT ($1::bigint[])[1] AS value", [.ints([-7])]) == -7)
        #expect(try await pool.value("SELECT coalesce($1, 'null') AS value", [.null]) == "null")
    }

    @Test(arguments: [0.0, -0.5, 951_826_400.25, 1_709_164_800, 4_102_444_799.999_999, -2_208_988_800, 1_785_499_200.000_001])
    func timesComeBackToTheMicrosecond(seconds: Double) async throws {
        let pool = try await freshPool(size: 1)
        let date = Date(timeIntervalSince1970: seconds)
        let back: Date = try await pool.value("SELECT $1::timestamptz AS value", [.timestamp(date)])
        #expect(abs(back.timeIntervalSince(date)) < 1e-6)
        // The server's own arithmetic agrees with ours.
        let epoch: Double = try await pool.value("SELECT extract(epoch FROM $1::timestamptz)::float8 AS value", [.timestamp(date)])
        #expect(abs(epoch - seconds) < 1e-6)
    }

    @Test func aTextWithNULIsRefusedInsteadOfCut() async throws {
        let pool = try await freshPool()
        await #expect { try await pool.value("SELECT $1::text AS value", [.text("a\0b")], as: String.self) } throws: {
            ($0 as? PostgresError)?.kind == .value
        }
    }

    @Test func readingAColumnWronglyNamesIt() async throws {
        let pool = try await freshPool()
        func message(_ sql: String, _ read: @escaping @Sendable (Row) throws -> Void) async -> String {
            do {
                try await pool.run { connection in try read(try connection.query(sql)[0]) }
                return ""
            } catch { return "\(error)" }
        }
        #expect(
            await message("SELECT NULL::text AS a") { _ = try $0.value("a", as: String.self) } == "column 'a' is NULL where text is needed")
        #expect(
            await message("SELECT 'x' AS a") { _ = try $0.value("a", as: Int.self) }
                == "column 'a' holds 'x', which is not a 64-bit integer")
        #expect(await message("SELECT 1 AS a") { _ = try $0.value("b", as: Int.self) } == "the result has no column 'b'; it has a")
    }

    @Test func errorsCarryTheServersState() async throws {
        let pool = try await freshPool()
        try await pool.script("CREATE TABLE t (a integer PRIMARY KEY)")
        await #expect { try await pool.script("INSERT INTO t VALUES (1), (1)") } throws: { error in
            (error as? PostgresError)?.sqlState == "23505" && (error as? PostgresError)?.kind == .statement
        }
        await #expect { try await pool.script("SELEC") } throws: { ($0 as? PostgresError)?.sqlState == "42601" }
    }

    @Test func aTransactionIsTakenBackWhenItsBodyThrows() async throws {
        let pool = try await freshPool(size: 1)
        struct Stop: Error {}
        try await pool.script("CREATE TABLE t (a integer)")
        await #expect(throws: Stop.self) {
            try await pool.transaction { connection in
                try connection.query("INSERT INTO t VALUES (1)")
                throw Stop()
            }
        }
        #expect(try await pool.value("SELECT count(*) AS value FROM t") == 0)
        try await pool.transaction { connection in _ = try connection.query("INSERT INTO t VALUES (1)") }
        #expect(try await pool.value("SELECT count(*) AS value FROM t") == 1)
    }

    @Test func serializationFailuresAreTriedAgain() async throws {
        let pool = try await freshPool(size: 4)
        try await pool.script("CREATE TABLE t (a integer); INSERT INTO t VALUES (0)")
        try await withThrowingTaskGroup { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<5 {
                        // Enough clashes can use up the attempts; this test's own loop then goes on.
                        while true {
                            do {
                                try await pool.transaction(.repeatableRead) { connection in
                                    let value: Int = try connection.query("SELECT a FROM t")[0].value("a")
                                    try connection.query("UPDATE t SET a = $1", [.int(value + 1)])
                                }
                                break
                            } catch let error as PostgresError where error.isSerializationFailure {}
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await pool.value("SELECT a AS value FROM t") == 20)
    }

    @Test func copyLoadsEveryTypeOfColumn() async throws {
        let pool = try await freshPool()
        try await pool.script("CREATE TABLE t (a bigint, b integer, c smallint, d boolean, e timestamptz, f text, g json)")
        let rows = 20_000
        try await pool.transaction { connection in
            try connection.copyIn("t", ["a", "b", "c", "d", "e", "f", "g"]) { buffer in
                for index in 0..<rows {
                    try buffer.beginRow()
                    buffer.bigint(Int64(index) << 32)
                    buffer.integer(-index)
                    buffer.smallint(index % 7)
                    buffer.bool(index % 2 == 0)
                    buffer.timestamp(nanosecondsSince1970: 1_500_000_000_000_001_000)
                    if index == 5 { buffer.null() } else { buffer.text("ü\(index)") }
                    buffer.text("[\(index)]")
                }
            }
        }
        let matching: Int = try await pool.value(
            """
            SELECT count(*) AS value FROM t WHERE a = (-b)::bigint << 32 AND c = -b % 7 AND d = (b % 2 = 0)
                AND e = '2017-07-14 02:40:00.000001+00' AND f IS NOT DISTINCT FROM CASE WHEN b = -5 THEN NULL ELSE 'ü' || -b END
                AND (g->>0)::integer = -b
            """)
        #expect(matching == rows)
    }

    @Test func aCopyThatFailsLeavesNothingAndTheConnectionUsable() async throws {
        let pool = try await freshPool(size: 1)
        struct Stop: Error {}
        try await pool.script("CREATE TABLE t (a json)")
        await #expect(throws: Stop.self) {
            try await pool.run { connection in
                try connection.copyIn("t", ["a"]) { buffer in
                    try buffer.beginRow()
                    buffer.text("1")
                    throw Stop()
                }
            }
        }
        await #expect {
            try await pool.run { connection in
                try connection.copyIn("t", ["a"]) { buffer in
                    for _ in 0..<100_000 {
                        try buffer.beginRow()
                        buffer.text("not json")
                    }
                }
            }
        } throws: {
            ($0 as? PostgresError)?.sqlState == "22P02"
        }
        #expect(try await pool.value("SELECT count(*) AS value FROM t") == 0)
    }
}
