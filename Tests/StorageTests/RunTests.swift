// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import Storage
import TestSupport
import Testing
import WorkflowModel

@Suite struct RunTests {
    @Test func aRunIsStoredWhole() async throws {
        let (storage, _) = try await freshStorage()
        let graph = try await storage.register(registration("alice/words"))
        let new = newRun(graph.reference, name: "first")
        let run = try await storage.create(new)
        #expect(run.id == new.id)
        #expect(run.name == "first")
        #expect(run.graph.description == "alice/words@1")
        #expect(run.state == .queued)
        #expect(run.owner == alice.label)
        #expect(run.resources == new.resources)
        #expect(run.submittedAt == noon)
        #expect(run.attempts == [Attempt(number: 1, state: .queued, queuedAt: noon)])
        #expect(run.inputs == new.inputs)
        #expect(run.plan == wordCountPlan)
        #expect(try await storage.run(new.id, visibleTo: alice) == run)
        let document = try #require(try await storage.document(new.id))
        #expect(document.graph == graph)
        #expect(document.inputs == new.inputs)
        #expect(document.plan == wordCountPlan)
        #expect(document.attempt == 1)
    }

    @Test func aRunOfAnUnknownGraphIsRefused() async throws {
        let (storage, _) = try await freshStorage()
        let reference = try Reference("alice/nothing@1")
        await #expect(throws: StorageError.noGraph(reference)) { try await storage.create(newRun(reference)) }
    }

    @Test func onlyTheOwnerAndAdministratorsSeeARun() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        #expect(try await storage.run(run, visibleTo: bob) == nil)
        #expect(try await storage.run(run, visibleTo: Principal(issuer: "https://other", subject: "alice", scopes: [.read])) == nil)
        #expect(try await storage.run(run, visibleTo: admin)?.id == run)
        #expect(try await storage.run(run, visibleTo: nil)?.id == run)
    }

    @Test func theStateIsThatOfTheLatestAttempt() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        let queued = try #require(try await storage.state(of: run))
        #expect(queued == (.queued, 1))
        #expect(try await storage.requestCancel(run, at: noon) == .cancelled)
        #expect(try await storage.retry(run, at: noon) == 2)
        #expect(try await storage.requestCancel(run, at: noon) == .cancelled)
        let cancelled = try #require(try await storage.state(of: run))
        #expect(cancelled == (.cancelled, 2))
        #expect(try await storage.state(of: newRunID()) == nil)
    }

    @Test func theSameRequestUnderOneKeyMakesOneRun() async throws {
        let (storage, pool) = try await freshStorage()
        let graph = try await storage.register(registration("alice/words"))
        let outcomes = try await withThrowingTaskGroup { group in
            for _ in 0..<10 {
                group.addTask { try await storage.createRun(newRun(graph.reference), idempotencyKey: "k", requestDigest: "d") }
            }
            return try await group.reduce(into: [CreateOutcome]()) { $0.append($1) }
        }
        var ids: Set<RunID> = []
        var created = 0
        for outcome in outcomes {
            switch outcome {
            case .created(let run):
                created += 1
                ids.insert(run.id)
            case .replayed(let run): ids.insert(run.id)
            case .keyReused: Issue.record("the key was used for one request only")
            }
        }
        #expect(created == 1)
        #expect(ids.count == 1)
        #expect(try await pool.count("run") == 1)
        #expect(try await pool.count("attempt") == 1)
        let other = try await storage.createRun(newRun(graph.reference), idempotencyKey: "k", requestDigest: "other")
        #expect(other == .keyReused)
        // Keys are each user's own.
        guard
            case .created = try await storage.createRun(newRun(graph.reference, owner: bob), idempotencyKey: "k", requestDigest: "d")
        else {
            Issue.record("bob's key is not alice's")
            return
        }
    }

    @Test func runsAreListedByFilterAndPage() async throws {
        let (storage, _) = try await freshStorage()
        let words = try await storage.register(registration("alice/words")).reference
        let other = try await storage.register(registration("alice/other", digest: "sha256:b")).reference
        var ids: [RunID] = []
        for index in 0..<6 {
            let graph = index % 2 == 0 ? words : other
            ids.append(try await storage.create(newRun(graph, owner: index == 5 ? bob : alice, name: index == 0 ? "n" : nil)).id)
        }
        _ = try await storage.requestCancel(ids[2], at: noon)
        func list(
            _ states: Set<RunState> = [], graph: Reference? = nil, name: String? = nil, owner: Principal? = nil
        ) async throws -> [RunID] {
            try await allPages(size: 2) {
                try await storage.runs(states: states, graph: graph, name: name, owner: owner, page: $0)
            }.map(\.id)
        }
        #expect(try await list() == ids.reversed())
        #expect(try await list(owner: alice) == ids.dropLast().reversed())
        #expect(try await list([.cancelled]) == [ids[2]])
        #expect(try await list([.cancelled, .queued], graph: Reference("alice/words")) == [ids[4], ids[2], ids[0]])
        #expect(try await list(graph: Reference("alice/words@2")) == [])
        #expect(try await list(name: "n") == [ids[0]])
        let first = try await storage.runs(states: [], graph: nil, name: nil, owner: nil, page: PageRequest(size: 1)).items[0]
        #expect(first.attempts.count == 1)
        #expect(first.plan == nil && first.inputs == nil)
        #expect(try await storage.runCounts() == [.queued: 5, .cancelled: 1])
    }

    @Test func aRunGoesThroughItsLife() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        try await storage.setPending([(run, Pending(reason: "All slots are taken.", position: 1))])
        #expect(try await storage.run(run, visibleTo: nil)?.pending == Pending(reason: "All slots are taken.", position: 1))
        let resources = ResourceRequest(ranks: 2, memoryPerRank: 100)
        let queued = try await storage.queuedRuns(limit: 10)
        #expect(queued.map(\.id) == [run])
        #expect(queued[0].attempt == 1 && queued[0].resources == resources)
        #expect(try await storage.activeAttempts().isEmpty)

        #expect(try await storage.transition(run, from: [.queued], to: .starting, at: noon, AttemptChange(folder: "/runs/1")))
        #expect(try await storage.queuedRuns(limit: 10).isEmpty)
        let active = try await storage.activeAttempts()
        #expect(active.map(\.run) == [run])
        #expect(active[0].attempt == 1 && active[0].folder == "/runs/1" && active[0].resources == resources)
        #expect(try await storage.transition(run, from: [.starting], to: .running, at: noon + 1))
        // Somebody who comes late changes nothing.
        #expect(try await !storage.transition(run, from: [.starting], to: .failed, at: noon + 2))
        let failure = FailureReport(cause: .exception, message: "PE Count1 raised", at: noon + 2, rank: 1, traceback: "Traceback \u{0}…")
        #expect(try await storage.transition(run, from: [.starting, .running], to: .failed, at: noon + 2, AttemptChange(failure: failure)))
        let failed = try #require(try await storage.run(run, visibleTo: nil))
        var stored = failure
        stored.traceback = "Traceback \u{FFFD}…"
        #expect(failed.state == .failed)
        #expect(failed.pending == nil)
        #expect(
            failed.attempts == [
                Attempt(
                    number: 1, state: .failed, queuedAt: noon, startedAt: noon, endedAt: noon + 2, failure: stored, folder: "/runs/1")
            ])
        #expect(try await storage.activeAttempts().isEmpty)

        let ended = try await storage.endedAttempts(limit: 10)
        #expect(ended.map(\.owner) == [alice.label] && ended[0].resources == resources)
        #expect((ended[0].queuedAt, ended[0].startedAt, ended[0].endedAt) == (noon, noon, noon + 2))

        #expect(try await storage.retry(run, at: noon + 3) == 2)
        #expect(try await storage.retry(run, at: noon + 3) == nil)
        let retried = try #require(try await storage.run(run, visibleTo: nil))
        #expect(retried.attempts == failed.attempts + [Attempt(number: 2, state: .queued, queuedAt: noon + 3)])
        #expect(try await storage.document(run)?.attempt == 2)
    }

    @Test func anAttemptThatANodeEndedIsTriedAgainElsewhere() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        let lost = FailureReport(cause: .node, message: "n2 failed \u{0}", at: noon, node: "n2")
        let nodes = [NodeShare(node: "n1", ranks: 1), NodeShare(node: "n2", ranks: 1)]
        #expect(try await storage.transition(run, from: [.queued], to: .starting, at: noon, AttemptChange(nodes: nodes)))
        #expect(try await storage.activeAttempts()[0].nodes == nodes)
        let again = AttemptChange(failure: lost, modules: ["a/1"], isTriedAgain: true)
        #expect(try await storage.transition(run, from: [.starting], to: .failed, at: noon, again))
        let queued = try await storage.queuedRuns(limit: 10)
        #expect(queued.map(\.attempt) == [2] && queued.map(\.avoided) == [["n2"]])
        let attempts = try #require(try await storage.run(run, visibleTo: nil)).attempts
        #expect(attempts.map(\.state) == [.failed, .queued] && attempts[0].modules == ["a/1"] && attempts[0].nodes == nodes)

        // Who asked for its end meanwhile has it.
        #expect(try await storage.transition(run, from: [.queued], to: .starting, at: noon))
        #expect(try await storage.requestCancel(run, at: noon) == .cancelling)
        #expect(try await storage.transition(run, from: [.starting, .cancelling], to: .failed, at: noon, again))
        #expect(try await storage.queuedRuns(limit: 10).isEmpty)
        #expect(try await storage.run(run, visibleTo: nil)?.state == .failed)
    }

    @Test func theLifeCycleIsEnforced() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        for from in RunState.allCases {
            for to in RunState.allCases where !from.mayBecome(to) {
                await #expect(throws: StorageError.impossibleTransition(from: from, to: to)) {
                    try await storage.transition(run, from: [from], to: to, at: noon)
                }
            }
        }
        // One of several is enough, even when the run is in another.
        await #expect(throws: StorageError.impossibleTransition(from: .starting, to: .cancelled)) {
            try await storage.transition(run, from: [.queued, .starting], to: .cancelled, at: noon)
        }
        #expect(try await storage.run(run, visibleTo: nil)?.state == .queued)
        let unknown = newRunID()
        await #expect(throws: StorageError.noRun(unknown)) {
            try await storage.transition(unknown, from: [.queued], to: .starting, at: noon)
        }
    }

    @Test func oneOfManyWinsATransition() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        let winners = try await withThrowingTaskGroup { group in
            for _ in 0..<8 { group.addTask { try await storage.transition(run, from: [.queued], to: .starting, at: noon) } }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(winners == 1)
    }

    @Test func cancellingDependsOnTheState() async throws {
        let (storage, _) = try await freshStorage()
        let waiting = try await storage.startedRun()
        #expect(try await storage.requestCancel(waiting, at: noon) == .cancelled)
        #expect(try await storage.run(waiting, visibleTo: nil)?.endedAt == noon)
        #expect(try await storage.requestCancel(waiting, at: noon + 1) == .cancelled)

        let running = try await storage.startedRun()
        _ = try await storage.transition(running, from: [.queued], to: .starting, at: noon)
        #expect(try await storage.requestCancel(running, at: noon) == .cancelling)
        #expect(try await storage.run(running, visibleTo: nil)?.state == .cancelling)
        #expect(try await storage.transition(running, from: [.cancelling], to: .cancelled, at: noon))
        #expect(try await storage.requestCancel(running, at: noon) == .cancelled)
        let unknown = newRunID()
        await #expect(throws: StorageError.noRun(unknown)) { try await storage.requestCancel(unknown, at: noon) }
    }

    @Test func theQueueKeepsTheOrderOfQueueing() async throws {
        let (storage, _) = try await freshStorage()
        let first = try await storage.startedRun()
        let second = try await storage.startedRun()
        let third = try await storage.startedRun(owner: bob)
        _ = try await storage.requestCancel(first, at: noon)
        _ = try await storage.retry(first, at: noon)
        #expect(try await storage.queuedRuns(limit: 10).map(\.id) == [second, third, first])
        #expect(try await storage.queuedRuns(limit: 1).map(\.id) == [second])
    }

    @Test(.timeLimit(.minutes(1))) func changesOfARunAreNotified() async throws {
        let server = try await PrivatePostgres.shared
        let conninfo = server.conninfo(database: try await server.createDatabase())
        let storage = Storage(pool: ConnectionPool(conninfo: conninfo, size: 1))
        try await storage.migrate()
        let listener = Listener(conninfo: conninfo, channels: [Storage.runChannel])
        var notifications = listener.notifications.makeAsyncIterator()
        #expect(await notifications.next()?.payload == nil)
        let run = try await storage.startedRun()
        #expect(await notifications.next()?.payload == run.description)
        _ = try await storage.transition(run, from: [.queued], to: .starting, at: noon)
        #expect(await notifications.next()?.payload == run.description)
        _ = try await storage.ingest(run, attempt: 1, rank: 0, from: 0, to: 32, ended: false, records: [])
        #expect(await notifications.next()?.payload == run.description)
    }
}
