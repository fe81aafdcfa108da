// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import Storage
import Testing
import WorkflowModel

@Suite struct OrderTests {
    private func window(
        _ name: String, _ kind: ClusterWindow.Kind = .reservation, _ nodes: [String] = [], hours: Range<Double> = 1..<2,
        users: [String] = []
    ) -> ClusterWindow {
        ClusterWindow(
            name: name, kind: kind, nodes: nodes, start: noon + hours.lowerBound * 3600, end: noon + hours.upperBound * 3600, users: users,
            reason: "because", owner: admin.label)
    }

    private func add(_ window: ClusterWindow, to storage: Storage) async throws -> WindowOutcome {
        try await storage.addWindow(window, by: admin, at: noon)
    }

    // MARK: Nodes

    @Test func anOrderTakesThePlaceOfTheOneBefore() async throws {
        let (storage, _) = try await freshStorage()
        let cordon = NodeOrder(node: "n1", kind: .cordon, reason: "odd\u{0} disk", owner: admin.label, givenAt: noon)
        try await storage.setOrder(cordon, by: admin)
        #expect(try await storage.orders().nodes.map(\.reason) == ["odd\u{FFFD} disk"])
        let drain = NodeOrder(node: "n1", kind: .drain, by: noon + 3600, owner: alice.label, givenAt: noon + 1)
        try await storage.setOrder(drain, by: alice)
        #expect(try await storage.orders() == ClusterOrders(nodes: [drain]))
        #expect(try await storage.removeOrder(ofNode: "n1"))
        #expect(try await storage.removeOrder(ofNode: "n1") == false)
        #expect(try await storage.orders().nodes.isEmpty)
    }

    @Test func everyChangeIsCountedAndNothingElse() async throws {
        let (storage, _) = try await freshStorage()
        var version = try await storage.ordersVersion()
        func expectCounted(_ by: Int64, _ line: Int = #line) async throws {
            let now = try await storage.ordersVersion()
            #expect(now == version + by, "line \(line)")
            version = now
        }
        try await storage.setOrder(NodeOrder(node: "n", kind: .cordon, owner: "", givenAt: noon), by: admin)
        try await expectCounted(1)
        _ = try await storage.removeOrder(ofNode: "n")
        try await expectCounted(1)
        _ = try await storage.removeOrder(ofNode: "n")
        try await expectCounted(0)
        _ = try await add(window("w"), to: storage)
        try await expectCounted(1)
        _ = try await add(window("w"), to: storage)
        try await expectCounted(0)
        _ = try await storage.removeWindow("w")
        try await expectCounted(1)
        _ = try await storage.putAccount(ShareAccount(name: "a"))
        try await expectCounted(1)
        _ = try await storage.putAccount(ShareAccount(name: "b", parent: "nobody"))
        try await expectCounted(0)
        _ = try await storage.removeAccount("a")
        try await expectCounted(1)
        _ = try await storage.removeAccount("a")
        try await expectCounted(0)
    }

    // MARK: Windows

    @Test func aWindowIsStoredWhole() async throws {
        let (storage, _) = try await freshStorage()
        let course = window("course", .reservation, ["n1", "n2"], users: [alice.label])
        #expect(try await add(course, to: storage) == .added(course))
        let power = window("power", .maintenance, hours: 0..<1)
        #expect(try await add(power, to: storage) == .added(power))
        #expect(try await storage.orders().windows == [power, course])
        #expect(try await storage.removeWindow("course"))
        #expect(try await storage.removeWindow("course") == false)
        #expect(try await storage.orders().windows == [power])
    }

    @Test(arguments: [
        (["n1"], 1.0..<2.0, true), (["n2", "n3"], 1.5..<3, true), ([], 0.0..<9, true),
        (["n3"], 1.0..<2, false), (["n1"], 2.0..<3, false), (["n1", "n2"], 0.5..<1, false),
    ])
    func aReservationOfNodesThatAnotherWindowHasIsRefused(nodes: [String], hours: Range<Double>, isRefused: Bool) async throws {
        for kind in ClusterWindow.Kind.allCases {
            let (storage, _) = try await freshStorage()
            let first = window("first", kind, ["n1", "n2"])
            _ = try await add(first, to: storage)
            let second = window("second", .reservation, nodes, hours: hours)
            #expect(try await add(second, to: storage) == (isRefused ? .overlaps(first) : .added(second)))
            // What has to be maintained is.
            let third = window("third", .maintenance, nodes, hours: hours)
            #expect(try await add(third, to: storage) == .added(third))
        }
    }

    @Test func aNameIsGivenOnceAndWhatIsLongOverIsForgotten() async throws {
        let (storage, _) = try await freshStorage()
        let first = window("w", .maintenance)
        _ = try await add(first, to: storage)
        #expect(try await add(window("w", .reservation, hours: 5..<6), to: storage) == .nameTaken)
        let later = window("w", .maintenance, hours: 2000..<2001)
        #expect(try await storage.addWindow(later, by: admin, at: noon + 29 * 86400) == .nameTaken)
        #expect(try await storage.addWindow(later, by: admin, at: noon + 31 * 86400) == .added(later))
        #expect(try await storage.orders().windows == [later])
    }

    @Test func moreThanAThousandWindowsAndAccountsAreRefused() async throws {
        let (storage, pool) = try await freshStorage()
        _ = try await add(window("w", .maintenance), to: storage)
        try await pool.transaction { connection in
            try connection.query(
                """
                INSERT INTO cluster_window SELECT 'w' || n, kind, nodes, start_at, end_at, users, reason, owner
                FROM cluster_window, generate_series(2, 1000) AS n
                """)
            try connection.query("INSERT INTO share_account (name) SELECT 'a' || n FROM generate_series(1, 1000) AS n")
        }
        #expect(try await add(window("more", .maintenance), to: storage) == .tooMany)
        #expect(try await storage.putAccount(ShareAccount(name: "more")) == .tooMany)
        #expect(try await storage.putAccount(ShareAccount(name: "a7", ranks: 1)) == .stored(created: false))
    }

    @Test func ofReservationsOfTheSameNodesAtOnceOneIsTaken() async throws {
        let (storage, _) = try await freshStorage()
        let added = try await withThrowingTaskGroup { group in
            for index in 0..<8 { group.addTask { try await add(window("w\(index)", .reservation, ["n1"]), to: storage) } }
            return try await group.reduce(0) { count, outcome in
                if case .added = outcome { count + 1 } else { count }
            }
        }
        #expect(added == 1)
    }

    // MARK: Accounts

    @Test func anAccountIsStoredWholeAndReplacedWhole() async throws {
        let (storage, _) = try await freshStorage()
        let earth = ShareAccount(name: "earth")
        let seismology = ShareAccount(
            name: "seismology", parent: "earth", users: [alice.label, bob.label], share: 0.1, ranks: 64, borrowedRanks: 16,
            memory: 1 << 40, rankHours: 1234.5, since: noon)
        #expect(try await storage.putAccount(earth) == .stored(created: true))
        #expect(try await storage.putAccount(seismology) == .stored(created: true))
        #expect(try await storage.orders().accounts == [earth, seismology])
        let smaller = ShareAccount(name: "seismology", users: [bob.label], ranks: 0)
        #expect(try await storage.putAccount(smaller) == .stored(created: false))
        #expect(try await storage.orders().accounts == [earth, smaller])
        // Alice is in none now, and may be in another.
        #expect(try await storage.putAccount(ShareAccount(name: "earth", users: [alice.label])) == .stored(created: false))
    }

    @Test func anAccountThatWasChangedMeanwhileIsNotOverwritten() async throws {
        let (storage, _) = try await freshStorage()
        let (seen, other) = (ShareAccount(name: "a", ranks: 1), ShareAccount(name: "a", ranks: 2))
        #expect(try await storage.putAccount(seen, where: { $0 == nil }) == .stored(created: true))
        #expect(try await storage.putAccount(other, where: { $0 == nil }) == .changed)
        #expect(try await storage.putAccount(other, where: { $0 == seen }) == .stored(created: false))
        #expect(try await storage.putAccount(ShareAccount(name: "a"), where: { $0 == seen }) == .changed)
        #expect(try await storage.orders().accounts == [other])
        #expect(try await storage.removeAccount("a", where: { $0 == seen }) == .changed)
        #expect(try await storage.removeAccount("a", where: { $0 == other }) == .removed)
    }

    @Test func aUserIsInOneAccount() async throws {
        let (storage, _) = try await freshStorage()
        _ = try await storage.putAccount(ShareAccount(name: "a", users: [alice.label]))
        #expect(
            try await storage.putAccount(ShareAccount(name: "b", users: [bob.label, alice.label])) == .taken(user: alice.label, by: "a"))
        #expect(try await storage.orders().accounts.map(\.name) == ["a"])
    }

    @Test func accountsFormTrees() async throws {
        let (storage, _) = try await freshStorage()
        #expect(try await storage.putAccount(ShareAccount(name: "a", parent: "b")) == .noParent)
        for (name, parent) in [("a", nil), ("b", "a"), ("c", "b")] {
            #expect(try await storage.putAccount(ShareAccount(name: name, parent: parent)) == .stored(created: true))
        }
        #expect(try await storage.putAccount(ShareAccount(name: "a", parent: "c")) == .cycle(["c", "b", "a"]))
        #expect(try await storage.putAccount(ShareAccount(name: "new", parent: "new")) == .cycle(["new"]))
        #expect(try await storage.removeAccount("b") == .hasChildren(["c"]))
        #expect(try await storage.removeAccount("c") == .removed)
        #expect(try await storage.removeAccount("b") == .removed)
        #expect(try await storage.removeAccount("b") == .absent)
    }

    // MARK: The queue

    @Test(arguments: [false, true]) func anotherAttemptIsPromisedNothing(byItself: Bool) async throws {
        let (storage, pool) = try await freshStorage()
        let run = try await storage.startedRun()
        try await pool.transaction { connection in
            _ = try connection.query(
                "UPDATE run SET promised_start = $1, expected_start = $1, latest_start = $1", [.timestamp(noon + 30)])
        }
        #expect(try await storage.queue(page: PageRequest(), for: alice).items.first?.promisedStart == noon + 30)
        #expect(try await storage.transition(run, from: [.queued], to: .starting, at: noon))
        #expect(
            try await storage.transition(run, from: [.starting], to: .failed, at: noon, AttemptChange(isTriedAgain: byItself)))
        if !byItself { #expect(try await storage.retry(run, at: noon) == 2) }
        let waiting = try #require(try await storage.queue(page: PageRequest(), for: alice).items.first)
        #expect(waiting.promisedStart == nil && waiting.expectedStart == nil && waiting.latestStart == nil)
    }

    @Test func placesBehindTheFirstAreCleared() async throws {
        let (storage, _) = try await freshStorage()
        var runs: [RunID] = []
        for _ in 0..<6 { runs.append(try await storage.startedRun()) }
        try await storage.setPending(
            runs.prefix(5).enumerated().map {
                ($1, Pending(reason: "no room", position: $0 + 1, expectedStart: noon, latestStart: noon + 1))
            })
        _ = try await storage.transition(runs[1], from: [.queued], to: .starting, at: noon)
        func clear(atOnce limit: Int) async throws -> [Pending?] {
            try await storage.clearPending(but: [runs[0]], reason: "behind", limit: limit)
            var found: [Pending?] = []
            for run in runs { found.append(try await storage.run(run, visibleTo: nil)?.pending) }
            return found
        }
        let behind = Pending(reason: "behind", position: nil)
        let kept = (0..<5).map { Pending(reason: "no room", position: $0 + 1, expectedStart: noon, latestStart: noon + 1) }
        #expect(try await clear(atOnce: 2) == [kept[0], nil, behind, behind, kept[4], nil])
        #expect(try await clear(atOnce: 2) == [kept[0], nil, behind, behind, behind, behind])
    }

    @Test func theQueueIsInItsOrderAndHidesOthers() async throws {
        let (storage, pool) = try await freshStorage()
        let graph = try await storage.register(registration("alice/words"))
        var runs: [RunID] = []
        for index in 0..<5 {
            var new = newRun(graph.reference, owner: index == 2 ? bob : alice, name: "run\(index)")
            new.resources.needs.timeLimit = 60 * index + 60
            if index == 1 { new.resources.needs.priority = .low }
            runs.append(try await storage.create(new).id)
        }
        // The last two have not been looked at; of the others the third is first.
        try await storage.setPending([
            (runs[0], Pending(reason: "its account a may have 1 running ranks", position: 3)),
            (runs[1], Pending(reason: "no room", position: 2)),
            (runs[2], Pending(reason: "next", position: 1)),
        ])
        let second = runs[1].bytes
        try await pool.transaction { connection in
            _ = try connection.query(
                "UPDATE run SET promised_start = $2, expected_start = $3, latest_start = $4 WHERE public_id = $1",
                [.uuid(second), .timestamp(noon + 30), .timestamp(noon + 10), .timestamp(noon + 20)])
        }
        let others = try await storage.queue(page: PageRequest(), for: bob).items
        #expect(others.map(\.why) == ["next", Pending.Kind.room.rawValue, Pending.Kind.held.rawValue, nil, nil])
        let seen = try await allPages(size: 2) { try await storage.queue(page: $0, for: alice) }
        #expect(seen.map(\.id) == [runs[2], runs[1], runs[0], runs[3], runs[4]])
        #expect(seen.map(\.position) == [1, 2, 3, nil, nil] && seen.map(\.priority) == [nil, .low, nil, nil, nil])
        #expect(try await storage.run(runs[1], visibleTo: alice)?.resources.needs == RunNeeds(timeLimit: 120, priority: .low))
        #expect(seen.map(\.name) == [nil, "run1", "run0", "run3", "run4"])
        #expect(seen.map(\.owner) == [nil, alice.label, alice.label, alice.label, alice.label])
        #expect(
            seen[1]
                == QueueEntry(
                    id: runs[1], position: 2, name: "run1", owner: alice.label, ranks: 2, memoryPerRank: 100, timeLimit: 120,
                    priority: .low, submittedAt: noon, why: "no room", promisedStart: noon + 30, expectedStart: noon + 10,
                    latestStart: noon + 20))
        let all = try await storage.queue(page: PageRequest(), for: admin)
        #expect(all.items.map(\.owner) == [bob.label] + Array(repeating: alice.label, count: 4))
        #expect(
            try await storage.run(runs[1], visibleTo: alice)?.pending
                == Pending(
                    reason: "no room", position: 2, promisedStart: noon + 30, expectedStart: noon + 10, latestStart: noon + 20))
        // Another engine's queue is before Weft's; what it does not hold back waits no longer.
        for run in [runs[3], runs[4]] { _ = try await storage.transition(run, from: [.queued], to: .starting, at: noon) }
        try await storage.setPending([(runs[4], Pending(reason: "Slurm: priority", position: nil))])
        #expect(try await storage.queue(page: PageRequest(), for: bob).items.first?.why == Pending.Kind.engine.rawValue)
        #expect(
            try await allPages(size: 1) { try await storage.queue(page: $0, for: alice) }.map(\.id) == [runs[4], runs[2], runs[1], runs[0]])
        for run in [runs[3], runs[4]] { _ = try await storage.transition(run, from: [.starting], to: .running, at: noon) }
        _ = try await storage.requestCancel(runs[2], at: noon)
        #expect(try await storage.queue(page: PageRequest(size: 1), for: alice).items.map(\.id) == [runs[1]])
    }
}
