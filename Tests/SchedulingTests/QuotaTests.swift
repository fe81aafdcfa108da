// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

@Suite struct QuotaTests {
    static func accounts(_ list: Accounts.Account...) -> Accounts { Accounts(list, halfLife: 1000, at: 0) }

    @Test(arguments: NamedPolicy.allCases) func aJobBeyondItsQuotaWaitsAndHoldsNobodyBack(_ policy: NamedPolicy) {
        let accounts = Self.accounts(.init(quota: .init(ranks: 4)), .init())
        let starts = Replay.starts(
            [
                Replay.Entry(0, 100, ranks: 3), Replay.Entry(1, 50, ranks: 2), Replay.Entry(2, 10, ranks: 5, account: 1),
                Replay.Entry(3, 10, ranks: 1),
            ], policy.policy, nodes: equalNodes(12), accounts: accounts)
        #expect(starts == [0, 100, 2, 3])
    }

    @Test(arguments: NamedPolicy.allCases) func quotasOfGroupsCountTheirMembersTogether(_ policy: NamedPolicy) {
        let accounts = Self.accounts(.init(quota: .init(ranks: 3)), .init(parent: 0), .init(parent: 0, quota: .init(ranks: 2)))
        let starts = Replay.starts(
            [
                Replay.Entry(0, 100, ranks: 2, account: 1), Replay.Entry(1, 20, ranks: 2, account: 2),
                Replay.Entry(2, 10, ranks: 1, account: 2),
            ], policy.policy, nodes: equalNodes(10), accounts: accounts)
        #expect(starts == [0, 100, 2])
    }

    @Test(arguments: NamedPolicy.allCases) func memoryHasAQuotaToo(_ policy: NamedPolicy) {
        let accounts = Self.accounts(.init(quota: .init(memory: 100)))
        let starts = Replay.starts(
            [
                Replay.Entry(0, 100, ranks: 2, memory: 40), Replay.Entry(1, 50, ranks: 1, memory: 21),
                Replay.Entry(2, 50, ranks: 1, memory: 20),
            ],
            policy.policy, nodes: equalNodes(10, memory: 1000), accounts: accounts)
        #expect(starts == [0, 100, 2])
    }

    @Test(arguments: NamedPolicy.allCases) func rankSecondsCountUpToTheLimitUntilTheJobHasEnded(_ policy: NamedPolicy) {
        let accounts = Self.accounts(.init(quota: .init(rankSeconds: 1000)))
        let jobs = [
            Replay.Entry(0, 50, ranks: 5, limit: 100), Replay.Entry(1, 10, ranks: 6, limit: 100), Replay.Entry(2, 10, ranks: 5, limit: 100),
            Replay.Entry(70, 10, ranks: 10, limit: 65),
        ]
        // 500 + 500 at first; 250 + 50 once both have ended, which leaves room for 600; then 360, which leaves none for 650.
        let starts = Replay.starts(jobs, policy.policy, nodes: equalNodes(10), accounts: accounts)
        #expect(starts == (policy == .conservative ? [0, 50, 60, nil] : [0, 50, 2, nil]))
    }

    @Test(arguments: NamedPolicy.allCases.filter { $0 != .conservative }) func whatIsBorrowedGoesBackToItsOwner(_ policy: NamedPolicy) {
        var borrower = Accounts.Quota(ranks: 3)
        borrower.borrowedRanks = 3
        let accounts = Self.accounts(.init(quota: borrower), .init(quota: .init(ranks: 3)))
        let starts = Replay.starts(
            [
                Replay.Entry(0, 100, ranks: 3), Replay.Entry(1, 50, ranks: 3), Replay.Entry(5, 20, ranks: 1),
                Replay.Entry(10, 10, ranks: 3, account: 1),
            ], policy.policy, nodes: equalNodes(6), accounts: accounts)
        // The third was there first, but would borrow what its owner waits for.
        #expect(starts == [0, 1, 61, 51])
    }

    @Test func noMoreIsBorrowedThanIsLent() {
        var quota = Accounts.Quota(ranks: 2)
        quota.borrowedRanks = 2
        let accounts = Self.accounts(.init(quota: quota), .init(quota: .init(ranks: 9)))
        let starts = Replay.starts(
            [Replay.Entry(0, 10, ranks: 4), Replay.Entry(0, 10, ranks: 1), Replay.Entry(0, 10, ranks: 5)], .easy, nodes: equalNodes(20),
            accounts: accounts)
        #expect(starts == [0, 10, nil])
    }

    /// A sibling's job that can never start is no reason to keep what it has no use for.
    @Test func aJobThatCanNeverStartReclaimsNothing() {
        var quota = Accounts.Quota(ranks: 2)
        quota.borrowedRanks = 2
        let accounts = Self.accounts(.init(quota: quota), .init(quota: .init(ranks: 4)))
        let starts = Replay.starts(
            [Replay.Entry(0, 10, ranks: 5, account: 1), Replay.Entry(1, 10, ranks: 3)], .easy, nodes: equalNodes(8), accounts: accounts)
        #expect(starts == [nil, 1])
    }

    /// Part of the rank-seconds of each account, in percent, between two instants of a schedule in which all want more.
    static func parts(_ shares: [Double], from start: Int, to end: Int) -> [Double] {
        let accounts = Accounts(shares.map { .init(share: $0) }, halfLife: 80, at: 0)
        let jobs = (0..<1600).map { Replay.Entry(0, 9 + $0 / shares.count % 4, ranks: 1, account: $0 % shares.count) }
        var used = shares.map { _ in 0.0 }
        for (job, began) in zip(jobs, Replay.starts(jobs, .wfp3, nodes: equalNodes(4, slots: 3), accounts: accounts)) {
            guard let began else { continue }
            used[job.account] += Double(max(0, min(end, began + job.runTime) - max(start, began)))
        }
        return used.map { 100 * $0 / used.reduce(0, +) }
    }

    @Test(arguments: [[1, 3], [10, 20, 30, 40]]) func projectsThatAllWantMoreGetTheirShares(_ shares: [Double]) {
        let parts = Self.parts(shares, from: 400, to: 700)
        for (part, share) in zip(parts, shares) { #expect(abs(part - 100 * share / shares.reduce(0, +)) <= 3, "\(parts)") }
    }

    @Test func aShareFallsBackWithItsUse() {
        let accounts = Self.accounts(.init(share: 1), .init(share: 1))
        var scheduler = Scheduler(policy: .weft, machine: Machine(equalNodes(1, slots: 2)), accounts: accounts)
        scheduler.submit(Job(id: 0, submitted: 0, ranks: 1, limit: 100), at: 0)
        #expect(scheduler.pass(at: 0).map(\.job.id) == [0])
        scheduler.end(0, at: 100)
        let used = scheduler.accounts.all[0].usage
        #expect(used > 90 && used < 100)
        scheduler.submit(Job(id: 1, submitted: 100, ranks: 2, limit: 100, account: 0), at: 100)
        scheduler.submit(Job(id: 2, submitted: 100, ranks: 2, limit: 100, account: 1), at: 100)
        // At once both have waited for nothing, and the first comes first; a second later the one that has used less does.
        var later = scheduler
        #expect(scheduler.pass(at: 100).map(\.job.id) == [1])
        #expect(later.pass(at: 101).map(\.job.id) == [2])
    }

    /// What an account had used when the server stopped must not decay by the seconds since 1970.
    @Test func usageThatIsTakenUpCountsFromThen() {
        let now = 1_700_000_000
        let restored = Accounts([.init(share: 1, usage: 1000), .init(share: 1)], halfLife: 1000, at: now)
        var scheduler = Scheduler(policy: .weft, machine: Machine(equalNodes(1)), accounts: restored)
        scheduler.submit(Job(id: 0, submitted: now - 10, ranks: 1, limit: 100, account: 0), at: now)
        scheduler.submit(Job(id: 1, submitted: now - 10, ranks: 1, limit: 100, account: 1), at: now)
        #expect(scheduler.pass(at: now).map(\.job.id) == [1])
    }

    /// The reservation of a job that its quota holds must not be paid for by those behind it.
    @Test func aHeldJobDelaysNoReservationOfAnother() {
        let accounts = Self.accounts(.init(quota: .init(ranks: 1)), .init())
        let starts = Replay.starts(
            [Replay.Entry(0, 10, ranks: 1), Replay.Entry(0, 10, ranks: 1), Replay.Entry(1, 10, ranks: 2, account: 1)], .conservative,
            nodes: equalNodes(2), accounts: accounts)
        // It was promised 10 when it came: behind the first two, as if no quota held the second.
        #expect(starts[2].map { $0 <= 10 } == true, "\(starts)")
    }

    /// The head is promised a time; a job of its own account must not take the quota that it needs then.
    @Test func aBackfilledJobDoesNotTakeTheQuotaOfTheHead() {
        let accounts = Self.accounts(.init(quota: .init(ranks: 4)), .init())
        let starts = Replay.starts(
            [
                Replay.Entry(0, 100, ranks: 8, account: 1), Replay.Entry(1, 10, ranks: 3), Replay.Entry(2, 1000, ranks: 2),
            ], .easy, nodes: equalNodes(10), accounts: accounts)
        #expect(starts[1] == 100, "\(starts)")
    }

    /// The second was promised a time on ranks that it would borrow; the owner of those waits for a job that this promise holds back.
    @Test(arguments: NamedPolicy.allCases) func aPromiseOnBorrowedRanksHoldsNobodyBackForGood(_ policy: NamedPolicy) {
        var borrower = Accounts.Quota(ranks: 1)
        borrower.borrowedRanks = 1
        let accounts = Self.accounts(.init(quota: .init(ranks: 2)), .init(quota: borrower))
        let starts = Replay.starts(
            [Replay.Entry(0, 10, ranks: 1), Replay.Entry(0, 50, ranks: 2, account: 1), Replay.Entry(1, 13, ranks: 2)], policy.policy,
            nodes: equalNodes(2), accounts: accounts)
        #expect(!starts.contains(nil), "\(starts)")
    }

    /// What the first account has started since leaves nothing of its quota for its promise: that is no one else's matter.
    @Test func aPromiseThatItsOwnQuotaHoldsBackStopsNobody() {
        let accounts = Self.accounts(.init(quota: .init(ranks: 5)), .init())
        let starts = Replay.starts(
            [
                Replay.Entry(0, 100, ranks: 6, account: 1), Replay.Entry(1, 10, ranks: 5), Replay.Entry(2, 50, ranks: 1),
                Replay.Entry(3, 1000, ranks: 1, account: 1),
            ], .weft, nodes: equalNodes(10), accounts: accounts)
        #expect(starts[2] == 2 && starts[3] == 3, "\(starts)")
    }

    @Test(arguments: NamedPolicy.allCases.filter { $0 != .conservative }) func howeverManyAreHeldBackTheNextOneStarts(_ policy: NamedPolicy)
    {
        let accounts = Self.accounts(.init(quota: .init(ranks: 1)), .init())
        let held = (0..<400).map { _ in Replay.Entry(0, 10, ranks: 2) }
        let starts = Replay.starts(
            held + [Replay.Entry(1, 10, ranks: 1, account: 1)], policy.policy, nodes: equalNodes(4), accounts: accounts)
        #expect(starts.last == 1)
    }

    /// Limit 10, but it runs for 100: what it took is counted.
    @Test func whatIsUsedBeyondTheLimitCountsToo() {
        let accounts = Self.accounts(.init(quota: .init(rankSeconds: 200)))
        let starts = Replay.starts(
            [Replay.Entry(0, 100, ranks: 1, limit: 10), Replay.Entry(200, 10, ranks: 11), Replay.Entry(200, 10, ranks: 10)], .easy,
            nodes: equalNodes(20), accounts: accounts)
        #expect(starts == [0, nil, 200])
    }

    /// A sibling's job whose own quota of memory or rank-seconds is used up, or that waits for its reservation, reclaims nothing.
    @Test(arguments: [Accounts.Quota(ranks: 4, rankSeconds: 30), Accounts.Quota(ranks: 4)])
    func whoCouldNotUseItsRanksReclaimsNothing(_ quota: Accounts.Quota) {
        var borrower = Accounts.Quota(ranks: 2)
        borrower.borrowedRanks = 2
        let accounts = Self.accounts(.init(quota: borrower), .init(quota: quota))
        let first = Replay.Entry(0, 10, ranks: 3, account: 1, reservation: quota.rankSeconds == nil ? 7 : nil)
        let starts = Replay.starts(
            [first, Replay.Entry(1, 10, ranks: 1, account: 1), Replay.Entry(12, 10, ranks: 3)], .easy, nodes: equalNodes(8),
            accounts: accounts)
        #expect(starts[2] == 12, "\(starts)")
    }

    /// A quota held it back at the time that it was promised; later it would run into the window.
    @Test(arguments: NamedPolicy.allCases) func aJobThatIsHeldBeyondItsTimeRunsIntoNoWindow(_ policy: NamedPolicy) {
        let accounts = Self.accounts(.init(quota: .init(ranks: 1)), .init())
        let starts = Replay.starts(
            [Replay.Entry(0, 30, ranks: 1), Replay.Entry(0, 20, ranks: 1)], policy.policy, nodes: equalNodes(2), accounts: accounts,
            changes: [.init(0, .windows([Window(nodes: [0, 1], start: 40, end: 60)]))])
        #expect(starts == [0, 60])
    }
}
