// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import Provenance
import Storage
import Testing
import WorkflowModel

@Suite struct CostTests {
    private func cost(_ run: RunID, _ graph: Reference, seconds: Double = 10, calls: Int = 5) -> RunCost {
        RunCost(
            run: run, graph: graph, nodeClass: "x86_64, 2 cores, 4 GiB", ranks: 2, features: InputFeatures(["items": 3, "bytes": 40]),
            startUp: 1, ending: 0.5, seconds: seconds, memoryPerRank: 64.5, load: 8, workersPerRank: 2,
            elements: [
                "Read0": ElementCost(calls: calls, itemsOut: 9, secondsPerCall: 0.5, stateful: false),
                "CountWords1": ElementCost(calls: 9, itemsOut: 0, secondsPerCall: 0.1, stateful: true, changed: ["a\"b", "total"]),
            ])
    }

    private let kinds = ["Read0": "k-read", "CountWords1": "k-count"]

    @Test func whatRanksToldIsSummedByRank() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        _ = try await storage.transition(run, from: [.queued], to: .starting, at: noon)
        let at = Int64(noon.timeIntervalSince1970) * 1_000_000_000
        try await storage.store(
            run, rank: 0,
            [
                .worker(at: at + 1_000_000_000, worker: 0, event: .started, pid: 1, node: "n"),
                .worker(at: at + 3_000_000_000, worker: 0, event: .ready, pid: 1, node: "n"),
                .profile(instance: 0, InstanceProfile(calls: 1, busy: 7)),
                .profile(instance: 0, InstanceProfile(calls: 2, itemsOut: 4, busy: 9, changed: ["total"])),
                .memory(worker: 0, peak: 100), .memory(worker: 1, peak: 50), .memory(worker: nil, peak: 7),
            ])
        try await storage.store(
            run, rank: 1,
            [.worker(at: at + 2_000_000_000, worker: 2, event: .ready, pid: 1, node: "n"), .memory(worker: nil, peak: 8)])
        let measured = try await storage.measured(run, attempt: 1)
        #expect(measured.memory == [0: 157, 1: 8])
        #expect(measured.profiles == [0: InstanceProfile(calls: 2, itemsOut: 4, busy: 9, changed: ["total"])])
        #expect(measured.startedAt == noon)
        #expect(measured.begunAt == noon.addingTimeInterval(1))
        #expect(measured.readyAt == noon.addingTimeInterval(3))
    }

    @Test func costsAreStoredOnceAndPredictionsScored() async throws {
        let (storage, pool) = try await freshStorage()
        let graph = try await storage.register(registration("alice/words")).reference
        var new = newRun(graph)
        let earlier = newRunID()
        new.predictions = [
            Prediction(.runTime, p50: 8.2, p90: 9, p95: 11, basis: .same, model: "m", runs: [earlier]),
            Prediction(.calls, element: "Gone7", p50: 2, p90: 2, p95: 2, basis: .graph, model: "n", runs: [earlier]),
            Prediction(.fanOut, element: "Read0", p50: 2, p90: 2, p95: 2, basis: .graph, model: "n", runs: [earlier]),
        ]
        let run = try await storage.create(new)
        #expect(try await storage.run(run.id, visibleTo: nil)?.predictions == new.predictions)
        let expected = try await pool.run { connection in
            try connection.query("SELECT expected_seconds, expected_p90_seconds, expected_p95_seconds FROM run").map {
                [
                    try $0.value("expected_seconds", as: Int.self), try $0.value("expected_p90_seconds"),
                    try $0.value("expected_p95_seconds"),
                ]
            }
        }
        #expect(expected == [[9, 9, 11]], "whole seconds, rounded up")

        let told = try await storage.store(cost(run.id, graph), kinds: kinds)
        #expect(told.map(\.kind) == [.runTime, .fanOut] && told.map(\.actual) == [10, 9.0 / 5])
        #expect(try await storage.store(cost(run.id, graph, seconds: 99), kinds: kinds).isEmpty, "scored once")
        let scored = try #require(try await storage.run(run.id, visibleTo: nil)?.predictions)
        #expect(scored.map(\.actual) == [10, nil, 9.0 / 5])
        #expect(try await pool.count("run_cost") == 1)
    }

    @Test func runsOfOthersAreNamedToOperatorsOnly() async throws {
        let (storage, _) = try await freshStorage()
        let graph = try await storage.register(registration("alice/words")).reference
        let (hers, his) = (try await storage.create(newRun(graph)).id, try await storage.create(newRun(graph, owner: bob)).id)
        var new = newRun(graph, owner: bob)
        new.predictions = [Prediction(.runTime, p50: 8, p90: 9, p95: 11, basis: .same, model: "m", runs: [hers, his])]
        let run = try await storage.create(new)
        #expect(run.predictions?.map(\.runs) == [[his]] && run.predictions?.map(\.others) == [1])
        #expect(try await storage.run(run.id, visibleTo: bob)?.predictions == run.predictions)
        for principal in [admin, nil] {
            #expect(try await storage.run(run.id, visibleTo: principal)?.predictions == new.predictions)
        }
        #expect(try await storage.runs([hers, his], visibleTo: bob) == [his])
        #expect(try await storage.runs([hers, his], visibleTo: admin) == [hers, his])
    }

    @Test func experienceIsOfTheGraphThePEsAndTheUser() async throws {
        let (storage, _) = try await freshStorage()
        let words = try await storage.register(registration("alice/words")).reference
        let other = try await storage.register(registration("bob/other", digest: "sha256:2")).reference
        let first = try await storage.create(newRun(words)).id
        let second = try await storage.create(newRun(words, owner: bob)).id
        let third = try await storage.create(newRun(other, owner: bob)).id
        try await storage.store(cost(first, words), kinds: kinds)
        try await storage.store(cost(second, words, seconds: 20), kinds: ["Read0": "k-old", "CountWords1": "k-old"])
        try await storage.store(cost(third, other, seconds: 30), kinds: kinds)

        let found = try await storage.experience(of: words, kinds: ["k-read", "k-new"], owner: bob)
        #expect(found.runs.map(\.run) == [second, first])
        #expect(found.runs.first?.features == InputFeatures(["items": 3, "bytes": 40]))
        #expect(found.users == [PastTime(run: third, seconds: 30), PastTime(run: second, seconds: 20)])
        #expect(
            found.elements.map { "\($0.run == first ? 1 : $0.run == second ? 2 : 3) \($0.id) \($0.kind)" } == [
                "3 Read0 k-read", "2 CountWords1 k-old", "2 Read0 k-old", "1 CountWords1 k-count", "1 Read0 k-read",
            ])
        #expect(found.elements.last?.cost == cost(first, words).elements["Read0"])
        #expect(found.elements[3].cost.changed == ["a\"b", "total"])

        let nothing = try await storage.experience(of: Reference(namespace: "no", name: "graph", version: "1"), kinds: [], owner: admin)
        #expect(nothing == Experience())
    }

    /// What the models do not look at is not read.
    @Test func experienceIsOfTheLatestRuns() async throws {
        let (storage, _) = try await freshStorage()
        let words = try await storage.register(registration("alice/words")).reference
        var runs: [RunID] = []
        for _ in 0..<Experience.depth + 3 {
            runs.append(try await storage.create(newRun(words)).id)
            try await storage.store(cost(runs[runs.count - 1], words), kinds: kinds)
        }
        let found = try await storage.experience(of: words, kinds: Set(kinds.values), owner: alice)
        #expect(found.runs.count == runs.count, "those on as many ranks are looked for among them")
        let latest = Array(runs.reversed().prefix(Experience.depth))
        for id in kinds.keys { #expect(found.elements.filter { $0.id == id }.map(\.run) == latest) }
        #expect(found.users.map(\.run) == latest)
    }

    @Test func aRunOfWhichNothingWasExpectedHasNoPredictions() async throws {
        let (storage, pool) = try await freshStorage()
        let run = try await storage.startedRun()
        #expect(try await storage.run(run, visibleTo: nil)?.predictions == nil)
        let expected = try await pool.run { try $0.query("SELECT 1 FROM run WHERE expected_seconds IS NULL").count }
        #expect(expected == 1)
    }
}
