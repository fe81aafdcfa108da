// SPDX-License-Identifier: Apache-2.0

import func Glibc.exp2

/// Whose share of the cluster a job takes: users, in groups or not. Every job counts for its account and for all those above it.
package struct Accounts: Sendable {
    /// What an account may hold at a time, and in all.
    package struct Quota: Sendable, Hashable {
        /// Running ranks.
        package var ranks: Int?
        /// Ranks beyond ``ranks`` that it may have while its siblings leave theirs unused. It starts nothing on them once a sibling with
        /// room in its own quota waits.
        package var borrowedRanks = 0
        /// MiB.
        package var memory: Int?
        /// Rank-seconds in all, those that running jobs may still use up to their limits included.
        package var rankSeconds: Int?

        package init(ranks: Int? = nil, borrowedRanks: Int = 0, memory: Int? = nil, rankSeconds: Int? = nil) {
            self.ranks = ranks
            self.borrowedRanks = borrowedRanks
            self.memory = memory
            self.rankSeconds = rankSeconds
        }

        /// If nothing else was held.
        func mayEverTake(_ job: Job) -> Bool {
            let (seconds, isBeyond) = job.ranks.multipliedReportingOverflow(by: job.limit)
            return job.ranks <= ranks ?? .max && (rankSeconds == nil || !isBeyond && seconds <= rankSeconds ?? .max)
        }
    }

    package struct Account: Sendable {
        /// Nothing else is needed but ranks for one of its jobs to start.
        fileprivate var wantsRanks: Bool {
            waiting > 0 && ranks < quota.ranks ?? 0 && committed < quota.rankSeconds ?? .max && memory < quota.memory ?? .max
        }

        package var parent: Int?
        /// Beside its siblings'; `nil`: whatever it uses, its jobs are ordered the same.
        package var share: Double?
        package var quota: Quota
        package fileprivate(set) var ranks = 0
        package fileprivate(set) var memory = 0
        /// Waiting jobs for which its own ranks suffice.
        package fileprivate(set) var waiting = 0
        /// Rank-seconds of ended jobs, and of running ones up to their limits.
        package fileprivate(set) var committed = 0
        /// Rank-seconds, of which those of a half-life ago count half.
        package fileprivate(set) var usage = 0.0

        package init(parent: Int? = nil, share: Double? = nil, quota: Quota = Quota(), committed: Int = 0, usage: Double = 0) {
            self.parent = parent
            self.share = share
            self.quota = quota
            self.committed = committed
            self.usage = usage
        }
    }

    /// Why a job may not start, whatever is free.
    package enum Hold: Sendable, Hashable {
        case ranks(account: Int, quota: Int)
        case memory(account: Int, quota: Int)
        case rankSeconds(account: Int, quota: Int)
        /// What it would borrow, its owner waits for.
        case reclaimed(account: Int, by: Int)
    }

    package private(set) var all: [Account]
    /// Seconds.
    private let halfLife: Double
    /// How strongly an account that has used more than its share falls behind.
    private static let strength = 32.0
    private var updated: Int
    let hasShares: Bool
    let hasQuotas: Bool

    /// One account, without a quota.
    package init() { self.init([Account()], halfLife: 604_800, at: 0) }

    /// - Parameter now: the instant of the accounts' usage.
    package init(_ accounts: [Account], halfLife: Double, at now: Int) {
        all = accounts
        updated = now
        self.halfLife = halfLife
        hasShares = accounts.contains { $0.share != nil }
        hasQuotas = accounts.contains { $0.quota != Quota() }
    }

    private func chain(_ account: Int) -> [Int] {
        var chain = [account]
        while let parent = all[chain[chain.count - 1]].parent { chain.append(parent) }
        return chain
    }

    // MARK: Counting

    mutating func wait(_ job: Job) { count(job, 1) }
    mutating func leave(_ job: Job) { count(job, -1) }

    private mutating func count(_ job: Job, _ sign: Int) {
        // Who waits for a reservation needs nothing else.
        guard job.reservation == nil else { return }
        for account in chain(job.account) where all[account].quota.mayEverTake(job) { all[account].waiting += sign }
    }

    mutating func start(_ job: RunningJob, memoryPerRank: Int, at now: Int) {
        update(to: now)
        for account in chain(job.job.account) {
            all[account].ranks += job.job.ranks
            all[account].memory += job.job.ranks * memoryPerRank
            all[account].committed += job.job.ranks * job.job.limit
        }
    }

    mutating func end(_ job: RunningJob, memoryPerRank: Int, at now: Int) {
        update(to: now)
        for account in chain(job.job.account) {
            all[account].ranks -= job.job.ranks
            all[account].memory -= job.job.ranks * memoryPerRank
            all[account].committed += job.job.ranks * (now - job.latestEnd)
        }
    }

    /// A running job may run for longer than before.
    mutating func extend(_ job: Job, by seconds: Int) {
        for account in chain(job.account) { all[account].committed += job.ranks * seconds }
    }

    /// Brings the decayed usage up to `now`.
    mutating func update(to now: Int) {
        guard hasShares, now > updated else { return }
        let decay = exp2(-Double(now - updated) / halfLife)
        let gain = halfLife / 0.693_147_180_559_945_3 * (1 - decay)
        for index in all.indices { all[index].usage = all[index].usage * decay + Double(all[index].ranks) * gain }
        updated = now
    }

    // MARK: Judging

    /// By which a job's score is multiplied: 1 for who has used just what its share is, less for more.
    func factor(_ job: Job) -> Double {
        guard hasShares else { return 1 }
        return chain(job.account).reduce(1) { $0 * factor(account: $1) }
    }

    private func factor(account: Int) -> Double {
        guard let share = all[account].share else { return 1 }
        let siblings = all.filter { $0.parent == all[account].parent && $0.share != nil }
        let (shares, usage) = siblings.reduce((0.0, 0.0)) { ($0.0 + ($1.share ?? 0), $0.1 + $1.usage) }
        guard usage > 0, shares > 0 else { return 1 }
        let excess = all[account].usage / usage - share / shares
        return exp2(-Self.strength * excess * shares / max(share, shares * 1e-6))
    }

    /// - Parameter other: starts too.
    /// - Returns: `nil` when the job's accounts allow it to start.
    func hold(_ job: Job, memoryPerRank: Int, beside other: (job: Job, memoryPerRank: Int)? = nil) -> Hold? {
        guard hasQuotas else { return nil }
        let others = other.map { chain($0.job.account) } ?? []
        /// The account as it is once the other has started.
        func with(_ account: Int) -> Account {
            var value = all[account]
            guard let other, others.contains(account) else { return value }
            value.ranks += other.job.ranks
            value.memory += other.job.ranks * other.memoryPerRank
            value.committed += other.job.ranks * other.job.limit
            return value
        }
        for account in chain(job.account) {
            let value = with(account)
            let quota = value.quota
            if let most = quota.memory, value.memory + job.ranks * memoryPerRank > most { return .memory(account: account, quota: most) }
            if let most = quota.rankSeconds, value.committed + job.ranks * job.limit > most {
                return .rankSeconds(account: account, quota: most)
            }
            guard let most = quota.ranks, value.ranks + job.ranks > most else { continue }
            guard value.ranks + job.ranks <= most + quota.borrowedRanks else { return .ranks(account: account, quota: most) }
            let siblings = all.indices.filter { all[$0].parent == value.parent && all[$0].quota.ranks != nil }
            let (held, owned) = siblings.reduce((0, 0)) { ($0.0 + with($1).ranks, $0.1 + (all[$1].quota.ranks ?? 0)) }
            guard held + job.ranks <= owned else { return .ranks(account: account, quota: most) }
            let owner = siblings.first { $0 != account && with($0).wantsRanks }
            if let owner { return .reclaimed(account: account, by: owner) }
        }
        return nil
    }
}
