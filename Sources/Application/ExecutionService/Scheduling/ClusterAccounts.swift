// SPDX-License-Identifier: Apache-2.0

import Scheduling
import WorkflowModel

/// The accounts that operators set up, as the scheduler counts them, and one without share or quota for all other users.
struct ClusterAccounts {
    private let list: [ShareAccount]
    private var indices: [String: Int] = [:]
    let accounts: Accounts

    /// - Parameter usage: in rank-seconds, by the accounts' names: ``Storage/usage(halfLife:at:)``.
    init(_ list: [ShareAccount], usage: [String: (total: Double, decayed: Double)], halfLife: Int, at now: Int) {
        self.list = list
        var places: [String: Int] = [:]
        for (index, account) in list.enumerated() {
            places[account.name] = index + 1
            for user in account.users { indices[user] = index + 1 }
        }
        accounts = Accounts(
            [Accounts.Account()]
                + list.map { account in
                    Accounts.Account(
                        parent: account.parent.flatMap { places[$0] }, share: account.share,
                        quota: .init(
                            ranks: account.ranks, borrowedRanks: account.borrowedRanks ?? 0, memory: account.memory,
                            rankSeconds: account.rankHours.map { Int($0 * 3600) }),
                        committed: Int(usage[account.name]?.total ?? 0), usage: usage[account.name]?.decayed ?? 0)
                }, halfLife: Double(halfLife), at: now)
    }

    func index(of user: String) -> Int { indices[user] ?? 0 }

    func name(_ index: Int) -> String { index == 0 ? "everybody else" : list[index - 1].name }
}
