// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import Storage
import Testing
import WorkflowModel

@Suite struct UsageTests {
    /// Two ranks of 100 MiB.
    private func run(_ storage: Storage, by owner: Principal, _ hours: ClosedRange<Double>) async throws {
        let run = try await started(storage, by: owner, at: hours.lowerBound)
        #expect(try await storage.transition(run, from: [.starting], to: .succeeded, at: noon + hours.upperBound * 3600))
    }

    @discardableResult
    private func started(_ storage: Storage, by owner: Principal, at hour: Double) async throws -> RunID {
        let run = try await storage.startedRun(owner: owner)
        #expect(try await storage.transition(run, from: [.queued], to: .starting, at: noon + hour * 3600))
        return run
    }

    private func put(_ storage: Storage, _ accounts: ShareAccount...) async throws {
        for account in accounts { #expect(try await storage.putAccount(account) == .stored(created: true)) }
    }

    @Test func usageIsThatOfTheAccountAndOfThoseBelow() async throws {
        let (storage, _) = try await freshStorage()
        try await put(
            storage, ShareAccount(name: "top", rankHours: 10),
            ShareAccount(name: "a", parent: "top", users: [alice.label], rankHours: 10, since: noon + 1800),
            ShareAccount(name: "b", parent: "top", users: [bob.label]))
        // Alice's has run for an hour, bob's runs since half an hour, alice's second waits.
        try await run(storage, by: alice, 0...1)
        try await started(storage, by: bob, at: 1.5)
        _ = try await storage.startedRun()
        let usage = try await storage.accountUsage(of: ["top", "a", "b"], at: noon + 7200)
        #expect(usage["top"] == AccountStatus.Usage(ranks: 2, memory: 200, rankHours: 3))
        #expect(usage["a"] == AccountStatus.Usage(rankHours: 1))
        #expect(usage["b"] == AccountStatus.Usage(ranks: 2, memory: 200))
        #expect(try await storage.accountUsage(of: ["a"], at: noon + 7200) == ["a": AccountStatus.Usage(rankHours: 1)])
    }

    /// An attempt that was read as running may end before what was used is read.
    @Test func whatTheSchedulerCountsAsRunningIsNotCountedTwice() async throws {
        let (storage, _) = try await freshStorage()
        try await put(storage, ShareAccount(name: "a", users: [alice.label], rankHours: 10))
        try await run(storage, by: alice, 0...1)
        let running = try await started(storage, by: alice, at: 1)
        let places = try await storage.activeAttempts().map(\.place)
        #expect(places.count == 1)
        #expect(try await storage.transition(running, from: [.starting], to: .succeeded, at: noon + 7200))
        #expect(try await storage.usage(halfLife: 3600, at: noon + 7200, without: places)["a"]?.total == 7200)
        #expect(try await storage.usage(halfLife: 3600, at: noon + 7200)["a"]?.total == 14_400)
    }

    /// Each account counts from its own `since`, whatever those below it do.
    @Test func whatIsEnforcedIsWhatIsShown() async throws {
        let (storage, _) = try await freshStorage()
        try await put(
            storage, ShareAccount(name: "top", rankHours: 10, since: noon + 3600),
            ShareAccount(name: "a", parent: "top", users: [alice.label], rankHours: 10),
            ShareAccount(name: "b", parent: "top", users: [bob.label], rankHours: 10, since: noon + 2.5 * 3600),
            ShareAccount(name: "unlimited", parent: "top"))
        try await run(storage, by: alice, 0...2)
        try await run(storage, by: bob, 2...3)
        let now = noon + 4 * 3600
        let enforced = try await storage.usage(halfLife: 3600, at: now).mapValues { $0.total / 3600 }
        #expect(enforced == ["top": 4, "a": 4, "b": 1])
        #expect(try await storage.accountUsage(of: ["top", "a", "b", "unlimited"], at: now).compactMapValues(\.rankHours) == enforced)
        // What runs is counted up to its limit by the scheduler, and up to now for who looks.
        try await started(storage, by: bob, at: 4)
        let later = now + 1800
        #expect(try await storage.usage(halfLife: 3600, at: later).mapValues { $0.total / 3600 } == enforced)
        #expect(
            try await storage.accountUsage(of: ["top", "a", "b"], at: later).compactMapValues(\.rankHours) == ["top": 5, "a": 4, "b": 2])
    }

    @Test func whatWasUsedAHalfLifeAgoCountsHalf() async throws {
        let (storage, _) = try await freshStorage()
        try await put(
            storage, ShareAccount(name: "top", share: 1), ShareAccount(name: "a", parent: "top", users: [alice.label], share: 1),
            ShareAccount(name: "b", parent: "top", users: [bob.label], share: 1),
            ShareAccount(name: "others", users: [admin.label]))
        func decayed(at hour: Double) async throws -> [String: Double] {
            try await storage.usage(halfLife: 3600, at: noon + hour * 3600).mapValues(\.decayed)
        }
        func isNear(_ value: Double?, _ other: Double) -> Bool { value.map { abs($0 - other) <= 1e-9 * other } ?? false }
        try await run(storage, by: alice, 0...1)
        try await run(storage, by: admin, 0...1)
        // An hour of two ranks, half of it gone at its end.
        let full = 2 * 3600 / 2 / log(2.0)
        #expect(isNear(try await decayed(at: 1)["a"], full))
        #expect(isNear(try await decayed(at: 2)["a"], full / 2))
        // What still runs has used the same as what has just ended.
        let running = try await started(storage, by: bob, at: 1)
        let before = try await decayed(at: 2)
        #expect(isNear(before["b"], full) && isNear(before["top"], 1.5 * full) && before["others"] == nil)
        #expect(try await storage.transition(running, from: [.starting], to: .succeeded, at: noon + 7200))
        #expect(try await decayed(at: 2) == before)
    }

    /// A half-life of a minute may be configured, and runs of years ago are stored.
    @Test func whatIsLongOverCountsNothing() async throws {
        let (storage, _) = try await freshStorage()
        try await put(storage, ShareAccount(name: "a", users: [alice.label], share: 1))
        try await run(storage, by: alice, 0...1)
        #expect(try await storage.usage(halfLife: 60, at: noon + 365 * 86_400).isEmpty)
        // Started more than sixty half-lives ago, and ended just now.
        try await run(storage, by: alice, 100...1000)
        let used = try #require(try await storage.usage(halfLife: 60, at: noon + 1000 * 3600)["a"]?.decayed)
        #expect(abs(used - 2 * 60 / log(2.0)) < 1e-6)
    }
}
