// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import Storage
import Testing
import WorkflowModel

@Suite struct SchedulerSessionTests {
    /// A session that schedules.
    private func session(_ pool: ConnectionPool) async throws -> (SchedulerSession, epoch: Int64) {
        let session = SchedulerSession(pool: pool)
        guard case .mine(let epoch) = try await session.acquire() else { throw Unexpected(description: "another one schedules") }
        return (session, epoch)
    }

    private func wait(_ p50: Double, _ p95: Double) -> Prediction {
        Prediction(.wait, p50: p50, p90: nil, p95: p95, basis: .queue, model: "weft", runs: [])
    }

    private func start(_ run: RunID, attempt: Int = 1) -> SchedulerSession.Decisions {
        .init(starts: [.init(run: run, attempt: attempt, folder: "/f", nodes: nil)])
    }

    @Test func aWaitIsScoredWhenTheRunStarts() async throws {
        let (storage, pool) = try await freshStorage()
        let (session, epoch) = try await session(pool)
        let run = try await storage.startedRun()
        _ = try await session.store(.init(waits: [run: wait(60, 300)]), epoch: epoch, at: noon)
        #expect(try await storage.run(run, visibleTo: nil)?.predictions == [wait(60, 300)])
        // The first word counts.
        _ = try await session.store(.init(waits: [run: wait(1, 2)]), epoch: epoch, at: noon + 10)

        let started = try await session.store(start(run), epoch: epoch, at: noon + 90)
        var scored = wait(60, 300)
        scored.actual = 90
        #expect(started?.map(\.run) == [run] && started?.first?.wait == scored)
        #expect(try await storage.run(run, visibleTo: nil)?.predictions == [scored])

        // Another attempt waits, too; that was not foretold when the run was submitted.
        #expect(try await storage.transition(run, from: [.starting], to: .failed, at: noon + 100))
        #expect(try await storage.retry(run, at: noon + 200) == 2)
        _ = try await session.store(.init(waits: [run: wait(7, 8)]), epoch: epoch, at: noon + 200)
        #expect(try await session.store(start(run, attempt: 2), epoch: epoch, at: noon + 999)?.map(\.wait) == [nil])
        #expect(try await storage.run(run, visibleTo: nil)?.predictions == [scored])
    }

    @Test func aPromiseStandsUntilItIsLostOrKept() async throws {
        let (storage, pool) = try await freshStorage()
        let (session, epoch) = try await session(pool)
        let (run, other) = (try await storage.startedRun(), try await storage.startedRun())
        _ = try await session.store(.init(promises: [run: noon + 60, other: noon + 90]), epoch: epoch, at: noon)
        #expect(try await storage.queuedRuns(limit: 9).map(\.promisedStart) == [noon + 60, noon + 90])
        _ = try await session.store(.init(promises: [run: nil]), epoch: epoch, at: noon)
        #expect(try await storage.queuedRuns(limit: 9).map(\.promisedStart) == [nil, noon + 90])
        #expect(try await session.store(start(other), epoch: epoch, at: noon + 91)?.map(\.promised) == [noon + 90])
        #expect(try await session.store(start(run), epoch: epoch, at: noon + 92)?.map(\.promised) == [nil])
    }

    @Test func aCalibrationIsKeptByPolicyAndByTheOneThatSchedules() async throws {
        let (storage, pool) = try await freshStorage()
        let (session, epoch) = try await session(pool)
        func kept(_ policy: String) async throws -> [Int]? { try await storage.waitCalibration(of: policy, as: [Int].self) }
        try await session.keep("[1]", of: "weft", epoch: epoch)
        try await session.keep("[2]", of: "weft", epoch: epoch)
        try await session.keep("[3]", of: "easy", epoch: epoch)
        try await session.keep("[4]", of: "weft", epoch: epoch - 1)
        #expect(try await kept("weft") == [2])
        #expect(try await kept("easy") == [3])
        #expect(try await kept("fcfs") == nil)
    }
}
