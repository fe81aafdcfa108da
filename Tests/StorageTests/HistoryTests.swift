// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import Testing
import WorkflowModel

@testable import Storage

@Suite struct HistoryTests {
    /// A run that was queued and, unless `started` is nil, started, so many seconds after noon.
    private func run(
        _ storage: Storage, queued: Int, started: Int?, end: RunState?, owner: Principal = alice, needs: RunNeeds = RunNeeds()
    ) async throws -> RunID {
        let graph = try await storage.registerGraph(registration("alice/words"), owner: alice)
        let reference: Reference =
            switch graph {
            case .created(let graph), .same(let graph): graph.reference
            default: throw Unexpected(description: "\(graph)")
            }
        var new = newRun(reference, owner: owner)
        new.submittedAt = noon + Double(queued)
        new.resources.needs = needs
        let run = try await storage.create(new).id
        func move(_ from: RunState, _ to: RunState, _ second: Int, _ change: AttemptChange = AttemptChange()) async throws {
            guard try await storage.transition(run, from: [from], to: to, at: noon + Double(second), change) else {
                throw Unexpected(description: "\(run) is not \(from.rawValue)")
            }
        }
        guard let started else {
            if end == .cancelled { _ = try await storage.requestCancel(run, at: noon + Double(queued)) }
            return run
        }
        try await move(.queued, .starting, started, AttemptChange(nodes: [NodeShare(node: "n1", ranks: 2)]))
        try await move(.starting, .running, started + 1)
        guard let end else { return run }
        if end == .cancelled { _ = try await storage.requestCancel(run, at: noon + Double(started + 5)) }
        try await move(end == .cancelled ? .cancelling : .running, end, started + 10)
        return run
    }

    private func all(_ storage: Storage, since: Int = -1000, until: Int = 1000, size: Int = 2) async throws -> [HistoryEntry] {
        try await allPages(size: size) { try await storage.history(queued: noon + Double(since)..<noon + Double(until), page: $0) }
    }

    @Test func whatHeldNodesAndEndedIsTold() async throws {
        let (storage, _) = try await freshStorage()
        let needs = RunNeeds(timeLimit: 60, nodes: 1, labels: ["gpu"], architecture: "x86_64", priority: .high)
        let done = try await run(storage, queued: 0, started: 7, end: .succeeded, needs: needs)
        let failed = try await run(storage, queued: 1, started: 8, end: .failed, owner: bob)
        let cancelled = try await run(storage, queued: 2, started: 9, end: .cancelled)
        _ = try await run(storage, queued: 3, started: nil, end: .cancelled)
        _ = try await run(storage, queued: 4, started: nil, end: nil)
        _ = try await run(storage, queued: 5, started: 10, end: nil)
        let entries = try await all(storage)
        #expect(entries.map(\.run) == [done, failed, cancelled] && entries.map(\.state) == [.succeeded, .failed, .cancelled])
        #expect(entries.map(\.owner) == [alice.label, bob.label, alice.label])
        #expect(
            entries.first
                == HistoryEntry(
                    run: done, attempt: 1, owner: alice.label, graph: try Reference("alice/words@1"),
                    resources: ResourceRequest(ranks: 2, memoryPerRank: 100, needs: needs), state: .succeeded, queuedAt: noon,
                    startedAt: noon + 7, endedAt: noon + 17, nodes: [NodeShare(node: "n1", ranks: 2)]))
    }

    /// Attempts of one instant too, and those of a run that was tried again.
    @Test func pagesFollowTheOrderOfTheQueueAndLoseNothing() async throws {
        let (storage, _) = try await freshStorage()
        var runs: [RunID] = []
        for queued in [30, 10, 10, 10, 20] { runs.append(try await run(storage, queued: queued, started: queued + 1, end: .failed)) }
        #expect(try await storage.retry(runs[1], at: noon + 15) == 2)
        #expect(try await storage.transition(runs[1], from: [.queued], to: .starting, at: noon + 16))
        #expect(try await storage.transition(runs[1], from: [.starting], to: .succeeded, at: noon + 17))
        for size in [1, 2, 3, 100] {
            let entries = try await all(storage, size: size)
            #expect(entries.map(\.run) == [runs[1], runs[2], runs[3], runs[1], runs[4], runs[0]], "pages of \(size)")
            #expect(entries.map(\.attempt) == [1, 1, 1, 2, 1, 1])
        }
        #expect(try await all(storage, since: 10, until: 20).count == 4)
        #expect(try await all(storage, since: 11, until: 21).map(\.attempt) == [2, 1])
        #expect(try await all(storage, since: 31).isEmpty)
        // What ends later, behind a page that was read, moves nothing.
        let first = try await storage.history(queued: noon..<noon + 1000, page: PageRequest(size: 3))
        _ = try await run(storage, queued: 9, started: 12, end: .succeeded)
        let rest = try await storage.history(queued: noon..<noon + 1000, page: PageRequest(size: 100, cursor: first.next))
        #expect(rest.items.map(\.run) == [runs[1], runs[4], runs[0]])
    }

    @Test func aListGoesOnBehindAnAttemptThatIsGone() async throws {
        let (storage, pool) = try await freshStorage()
        var runs: [RunID] = []
        for queued in [1, 1, 1, 2] { runs.append(try await run(storage, queued: queued, started: 3, end: .failed)) }
        let first = try await storage.history(queued: noon..<noon + 9, page: PageRequest(size: 2))
        let gone = runs[1].bytes
        try await pool.transaction { connection in
            _ = try connection.query("DELETE FROM attempt WHERE run = (SELECT id FROM run WHERE public_id = $1)", [.uuid(gone)])
        }
        let rest = try await storage.history(queued: noon..<noon + 9, page: PageRequest(size: 2, cursor: first.next))
        #expect(rest.items.map(\.run) == [runs[2], runs[3]])
    }

    @Test(arguments: ["1e3", "nan", "1.5", "9223372036854775808", ""]) func aCursorHasWholeNumbers(key: String) async throws {
        let (storage, _) = try await freshStorage()
        for keys in [[key, "1"], ["1", key]] {
            let cursor = Cursor.text(.history, keys[0], keys[1])
            let problem = await #expect(throws: Problem.self) {
                try await storage.history(queued: noon..<noon + 1, page: PageRequest(size: 1, cursor: cursor))
            }
            #expect(problem?.errors.first?.pointer == "cursor")
        }
    }

    @Test func aCursorOfWhateverTimeIsATime() async throws {
        let (storage, _) = try await freshStorage()
        let only = try await run(storage, queued: 0, started: 1, end: .failed)
        for (time, found) in [(Int64.min, [only]), (.max, [])] {
            let page = try PageRequest(size: 1, cursor: Cursor.text(.history, "\(time)", "\(Int64.max)"))
            #expect(try await storage.history(queued: noon..<noon + 1, page: page).items.map(\.run) == found)
        }
    }

    @Test func aCursorOfAnotherListIsRefused() async throws {
        let (storage, _) = try await freshStorage()
        for _ in 0..<2 { _ = try await run(storage, queued: 0, started: 1, end: .failed) }
        let other = try #require(try await storage.runs(states: [], graph: nil, name: nil, owner: nil, page: PageRequest(size: 1)).next)
        let problem = await #expect(throws: Problem.self) {
            try await storage.history(queued: noon..<noon + 1, page: PageRequest(size: 1, cursor: other))
        }
        #expect(problem?.errors.first?.pointer == "cursor")
    }

    /// The first page of a late time, and any page behind a cursor, do not go through all that ran before.
    @Test func aPageIsReadFromTheIndex() async throws {
        let (_, pool) = try await freshStorage()
        let plan = try await pool.transaction { connection in
            try connection.script("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
            return try connection.query(
                """
                EXPLAIN SELECT id FROM attempt WHERE started_at IS NOT NULL AND ended_at IS NOT NULL AND queued_at >= '2025-01-01'
                    AND (queued_at, id) > ('2025-01-02', 7) ORDER BY queued_at, id LIMIT 10
                """
            ).map { try $0.value("QUERY PLAN", as: String.self) }.joined(separator: "\n")
        }
        #expect(plan.contains("attempt_history") && plan.contains("Index Cond: ((queued_at") && plan.contains("ROW("), "\(plan)")
    }
}
