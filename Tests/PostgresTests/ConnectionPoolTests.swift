// SPDX-License-Identifier: Apache-2.0

import Postgres
import TestSupport
import Testing

@Suite struct ConnectionPoolTests {
    @Test func workRunsOnAsManyConnectionsAsThereAre() async throws {
        let pool = try await freshPool(size: 3)
        let servers = try await withThrowingTaskGroup { group in
            for _ in 0..<3 {
                group.addTask {
                    // All three are inside at the same time only if each has a connection of its own.
                    try await pool.run { connection in
                        try connection.script("SELECT pg_advisory_lock_shared(1)")
                        while try connection.query("SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = 1")[0]
                            .value("n", as: Int.self) < 3
                        {}
                        return try connection.query("SELECT pg_backend_pid() AS pid")[0].value("pid", as: Int.self)
                    }
                }
            }
            return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(servers.count == 3)
    }

    @Test func waitingForAConnectionHasAnEnd() async throws {
        let pool = try await freshPool(size: 1, longestWait: .milliseconds(200))
        let release = Shared(false)
        let started = Shared(false)
        try await withThrowingTaskGroup { group in
            group.addTask {
                try await pool.run(longestWait: .seconds(20)) { connection in
                    started.value = true
                    while !release.value { try connection.script("SELECT pg_sleep(0.01)") }
                }
            }
            try await wait(for: "the connection to be taken") { started.value }
            await #expect { try await pool.script("SELECT 1") } throws: { ($0 as? PostgresError)?.kind == .busy }
            release.value = true
            try await group.waitForAll()
        }
        try await pool.script("SELECT 1")
    }

    @Test func theQueueIsBounded() async throws {
        let server = try await PrivatePostgres.shared
        let pool = ConnectionPool(conninfo: server.conninfo(), size: 1, queueLimit: 2, longestWait: .seconds(20))
        let release = Shared(false)
        let refused = Shared(0)
        await withTaskGroup { group in
            for _ in 0..<10 {
                group.addTask {
                    do {
                        try await pool.run { connection in
                            while !release.value { try connection.script("SELECT pg_sleep(0.01)") }
                        }
                    } catch {
                        if (error as? PostgresError)?.kind == .busy { refused.update { $0 += 1 } }
                    }
                }
            }
            // One runs and two wait, or the first has not yet been taken when the others come.
            try? await wait(for: "the others to be refused") { refused.value >= 7 }
            release.value = true
        }
        #expect((7...8).contains(refused.value))
    }

    @Test func cancellingATaskEndsItsStatement() async throws {
        let pool = try await freshPool(size: 1)
        let started = Shared(false)
        let task = Task {
            try await pool.run { connection in
                started.value = true
                try connection.script("SELECT pg_sleep(60)")
            }
        }
        try await wait(for: "the statement to be sent") { started.value }
        let clock = ContinuousClock.now
        task.cancel()
        let result = await task.result
        #expect(ContinuousClock.now - clock < .seconds(10))
        #expect(throws: (any Error).self) { try result.get() }
        // The cancel request hits nothing of what comes next.
        for _ in 0..<50 { try await pool.script("SELECT pg_sleep(0.001)") }
    }

    @Test func theServerEndsAStatementThatRunsTooLong() async throws {
        let pool = try await freshPool(size: 1, statementTimeout: .milliseconds(100))
        await #expect { try await pool.script("SELECT pg_sleep(60)") } throws: { ($0 as? PostgresError)?.sqlState == "57014" }
    }

    @Test func aClosedPoolRefuses() async throws {
        let pool = try await freshPool()
        try await pool.script("SELECT 1")
        pool.close()
        await #expect { try await pool.script("SELECT 1") } throws: { ($0 as? PostgresError)?.kind == .closed }
    }

    @Test func anUnreachableServerIsNamed() async throws {
        let pool = ConnectionPool(conninfo: "host=/nowhere dbname=weft", size: 1, longestWait: .milliseconds(300))
        await #expect { try await pool.script("SELECT 1") } throws: { error in
            (error as? PostgresError)?.isUnavailable == true && "\(error)".contains("/nowhere")
        }
    }

    @Test func theServersRestartLosesOnlyWhatWasUnderWay() async throws {
        let server = try await PrivatePostgres.start()
        let pool = ConnectionPool(conninfo: server.conninfo(), size: 2, longestWait: .seconds(30))
        try await withThrowingTaskGroup { group in
            for _ in 0..<2 { group.addTask { try await pool.script("SELECT pg_sleep(0.05)") } }
            try await group.waitForAll()
        }
        // Idle connections that the server has closed are replaced without anybody's notice.
        try await server.restart()
        for _ in 0..<6 { try await pool.script("SELECT 1") }

        let started = Shared(false)
        let underWay = Task {
            try await pool.run { connection in
                started.value = true
                try connection.script("SELECT pg_sleep(60)")
            }
        }
        try await wait(for: "the statement to be sent") { started.value }
        try await server.stop()
        await #expect { try await underWay.value } throws: { ($0 as? PostgresError)?.kind == .connection }

        // What comes while the server is away waits for it.
        let waiting = Task { try await pool.value("SELECT 42 AS value", as: Int.self) }
        try await server.resume()
        #expect(try await waiting.value == 42)
        try await server.stop()
    }
}
