// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing

/// Under saturation, accounts get what their shares say, whatever their jobs look like.
@Suite struct ShareTests {
    @Test(arguments: [NamedPolicy.weft, .wfp3]) func fourProjectsGetTheirShares(_ policy: NamedPolicy) {
        let shares = [10.0, 20, 30, 40]
        let halfLife = 20_000
        let accounts = Accounts(shares.map { Accounts.Account(share: $0) }, halfLife: Double(halfLife), at: 0)
        var scheduler = Scheduler(policy: policy.policy, machine: Machine(equalNodes(64)), accounts: accounts)
        var random = SeededGenerator(7)
        var (next, now) = (0, 0)
        var ends: [(time: Int, job: Int, account: Int, ranks: Int, started: Int)] = []
        var used = [Double](repeating: 0, count: 4)
        /// Each account always has jobs that wait; those of the smallest are the widest.
        func submit(_ account: Int) {
            let ranks = 1 + random.below(account == 0 ? 16 : 4)
            scheduler.submit(
                Job(id: next, submitted: now, ranks: ranks, limit: 100 + random.below(account == 1 ? 2000 : 400), account: account), at: now
            )
            next += 1
        }
        for account in 0..<4 { for _ in 0..<50 { submit(account) } }
        while now < 8 * halfLife {
            for started in scheduler.pass(at: now) {
                let length = max(1, started.job.limit / (1 + random.below(3)))
                ends.append((now + length, started.job.id, started.job.account, started.job.ranks, now))
                submit(started.job.account)
            }
            guard let first = ends.indices.min(by: { ends[$0].time < ends[$1].time }) else { break }
            let ended = ends.remove(at: first)
            now = ended.time
            scheduler.end(ended.job, at: now)
            if ended.started > 3 * halfLife { used[ended.account] += Double(ended.ranks * (now - ended.started)) }
        }
        let total = used.reduce(0, +)
        for (account, share) in shares.enumerated() {
            #expect(abs(used[account] / total * 100 - share) <= 3, "\(policy.rawValue): account \(account) got \(used[account] / total)")
        }
    }
}
