// SPDX-License-Identifier: Apache-2.0

import Foundation
import Storage
package import WorkflowModel

extension ExecutionService {
    /// By name, with what is used of their quotas.
    package func accounts(page: PageRequest) async throws(Problem) -> Page<AccountStatus> {
        let accounts = Page(try await stored { try await storage.orders().accounts }, page, name: \.name) { $0 }
        return Page(items: try await statuses(of: accounts.items), next: accounts.next)
    }

    package func account(_ name: String) async throws(Problem) -> AccountStatus {
        let found = try await stored { try await storage.orders().accounts }.filter { $0.name == name }
        guard let status = try await statuses(of: found).first else { throw Self.noAccount(name) }
        return status
    }

    /// Makes the account, or makes it another.
    ///
    /// - Parameter condition: that the account, as it is, has to meet.
    package func putAccount(
        _ request: AccountRequest, name: String, where condition: @escaping @Sendable (ShareAccount?) -> Bool, by principal: Principal
    ) async throws(Problem) -> (account: AccountStatus, created: Bool) {
        try checkPlacing("accounts")
        if let fault = OrderRules.fault(ofName: name) {
            throw Problem(.invalid, "The account cannot be stored.", errors: [.init("name", fault)])
        }
        let faults = request.faults(name: name, now: Date())
        guard faults.isEmpty else { throw Problem(.invalid, "The account cannot be stored.", errors: faults) }
        let account = ShareAccount(
            name: name, parent: request.parent, users: Set(request.users ?? []).sorted(), share: request.share, ranks: request.ranks,
            borrowedRanks: request.borrowedRanks, memory: request.memory, rankHours: request.rankHours, since: request.since)
        switch try await stored({ try await storage.putAccount(account, where: condition) }) {
        case .stored(let created):
            ordersChanged("account stored", by: principal, ["account": name])
            return (try await self.account(name), created)
        case .changed: throw Self.changedAccount(name)
        case .noParent:
            throw Problem(
                .invalid, "The account cannot be stored.",
                errors: [.init("/parent", "is '\(request.parent ?? "")', which is no account: make that one first")])
        case .cycle(let chain):
            throw Problem(
                .invalid, "The account cannot be stored.",
                errors: [.init("/parent", "makes a circle: \(([name] + chain).joined(separator: " is below "))")])
        case .taken(let user, let other):
            let index = (request.users ?? []).firstIndex(of: user) ?? 0
            throw Problem(
                .conflict, "A user is in one account at most: take '\(user)' out of '\(other)' first.",
                errors: [.init("/users/\(index)", "is in the account '\(other)'")])
        case .tooMany:
            throw Problem(.conflict, "There are \(Storage.maximumOrders) accounts, which is the most; remove some first.")
        }
    }

    /// - Parameter condition: that the account, as it is, has to meet.
    package func removeAccount(
        _ name: String, where condition: @escaping @Sendable (ShareAccount?) -> Bool, by principal: Principal
    ) async throws(Problem) {
        switch try await stored({ try await storage.removeAccount(name, where: condition) }) {
        case .removed: ordersChanged("account removed", by: principal, ["account": name])
        case .absent: throw Self.noAccount(name)
        case .changed: throw Self.changedAccount(name)
        case .hasChildren(let children):
            let shown = children.prefix(10).map { "'\($0)'" }.joined(separator: ", ") + (children.count > 10 ? " and others" : "")
            throw Problem(.conflict, "The account '\(name)' is the parent of \(shown): remove these, or give them another parent first.")
        }
    }

    private func statuses(of accounts: [ShareAccount]) async throws(Problem) -> [AccountStatus] {
        let usage = try await stored { try await storage.accountUsage(of: accounts.map(\.name), at: Date()) }
        return accounts.map { account in
            var used = usage[account.name] ?? AccountStatus.Usage()
            if account.rankHours != nil, used.rankHours == nil { used.rankHours = 0 }
            return AccountStatus(account: account, used: used)
        }
    }

    private static func changedAccount(_ name: String) -> Problem {
        Problem(.preconditionFailed, "The account '\(name)' is another than the request says: read it again, and repeat the change.")
    }

    private static func noAccount(_ name: String) -> Problem {
        Problem(.notFound, "There is no account '\(name)': see GET /api/v1/accounts, or `weft share`.")
    }
}
