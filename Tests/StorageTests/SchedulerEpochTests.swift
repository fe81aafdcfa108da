// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import Storage
import TestSupport
import Testing
import WorkflowModel

@Suite struct SchedulerEpochTests {
    /// A server that lost the lock without noticing may still have decided something.
    @Test func whatWasDecidedBeforeAnotherServerBeganIsNotStored() async throws {
        let server = try await PrivatePostgres.shared
        let conninfo = server.conninfo(database: try await server.createDatabase())
        let pools = (0..<2).map { _ in ConnectionPool(conninfo: conninfo, size: 1, longestWait: .seconds(60)) }
        let storage = Storage(pool: ConnectionPool(conninfo: conninfo, size: 4, longestWait: .seconds(60)), longestTraceWait: .seconds(60))
        try await storage.migrate()
        let (first, second) = (SchedulerSession(pool: pools[0]), SchedulerSession(pool: pools[1]))
        let runs = [try await storage.startedRun(), try await storage.startedRun()]
        func start(_ run: RunID) -> SchedulerSession.Start { .init(run: run, attempt: 1, folder: "/f", nodes: nil) }

        #expect(try await first.acquire() == .mine(epoch: 1))
        #expect(try await first.acquire() == .mine(epoch: 1), "it still is")
        #expect(try await second.acquire() == .other)
        #expect(try await first.store(.init(starts: [start(runs[0])]), epoch: 1, at: noon)?.map(\.run) == [runs[0]])

        pools[0].close()
        try await wait(for: "the lock to be free") { try await second.acquire() == .mine(epoch: 2) }
        let late = SchedulerSession(pool: ConnectionPool(conninfo: conninfo, size: 1, longestWait: .seconds(60)))
        #expect(try await late.acquire() == .other)
        #expect(try await late.store(.init(starts: [start(runs[1])], promises: [runs[1]: noon]), epoch: 1, at: noon) == nil)
        #expect(try await storage.run(runs[1], visibleTo: nil)?.state == .queued)
        #expect(try await storage.queue(page: PageRequest(), for: admin).items.map(\.promisedStart) == [nil])
        #expect(try await second.store(.init(starts: [start(runs[1])]), epoch: 2, at: noon)?.map(\.run) == [runs[1]])
    }
}
