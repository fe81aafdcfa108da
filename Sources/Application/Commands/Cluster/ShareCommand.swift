// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct ShareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "share", abstract: "Accounts: whose share of the cluster runs take.",
        subcommands: [ShareShow.self, ShareSet.self, ShareRemove.self], defaultSubcommand: ShareShow.self)
}

struct ShareShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows the tree of accounts, with shares and users.", discussion: "The word show may be left out.")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let accounts = try await connection.client().accounts()
        try output.show(accounts, name: \.account.name, empty: "No accounts: runs are ordered without regard to their owners.") {
            AccountRendering.shares($0)
        }
    }
}

struct ShareSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Makes or changes an account; what is not named stays.",
        discussion: "A value of 'none' takes it away. Needs the scope weft.admin.")

    @Argument(help: "A name: letters, digits, and any of _ . -") var account: String

    @Option(
        help: ArgumentHelp(
            "Its share beside its siblings'; of accounts with shares 3 and 1, the first may use three quarters.", valueName: "number"))
    var share: Settable<Double>?

    @Option(help: ArgumentHelp("The account that it is below.", valueName: "account"))
    var parent: Settable<String>?

    @Option(help: ArgumentHelp("All its users, as subject@issuer, between commas.", valueName: "users"))
    var users: Settable<NameList>?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard share != nil || parent != nil || users != nil else { throw ValidationError("Say what to set: --share, --parent or --users.") }
    }

    func run() async throws {
        let changed = try await connection.client().change(account: account, change)
        try output.show(changed, name: changed.account.name) { AccountRendering.shares([$0]).render(.output) }
    }

    func change(_ request: inout AccountRequest) {
        if let share { request.share = share.value }
        if let parent { request.parent = parent.value }
        if let users { request.users = users.value?.names ?? [] }
    }
}

struct ShareRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Removes an account, with its quotas; its users are in none then.",
        discussion: "Needs the scope weft.admin.")

    @Argument var account: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.client().delete("accounts", account)
        StandardStreams.chatter("account \(account.printable) is removed")
    }
}

extension APIClient {
    func accounts() async throws -> [AccountStatus] { try await list("accounts", limit: nil, of: AccountStatus.self).items }

    /// So often others may change the account between a look at it and the change.
    private static let changes = 10

    /// Stores the account with changes, or a new one. What others change meanwhile stays.
    func change(account name: String, _ change: (inout AccountRequest) -> Void) async throws -> AccountStatus {
        for _ in 1..<Self.changes {
            do { return try await changeOnce(name, change) } catch let problem as Problem where problem.kind == .preconditionFailed {}
        }
        return try await changeOnce(name, change)
    }

    private func changeOnce(_ name: String, _ change: (inout AccountRequest) -> Void) async throws -> AccountStatus {
        var request = AccountRequest()
        var condition: (name: String, value: String)? = (name: "If-None-Match", value: "*")
        do {
            let (present, tag) = try await tagged("accounts", name, as: AccountStatus.self)
            request = AccountRequest(present.account)
            condition = tag.map { (name: "If-Match", value: $0) }
        } catch let problem as Problem where problem.kind == .notFound {
            StandardStreams.chatter("There is no account \(name.printable) yet; it is made.")
        }
        change(&request)
        return try await put("accounts", name, body: request, condition: condition)
    }
}

enum AccountRendering {
    static func quotas(_ accounts: [AccountStatus]) -> Table {
        var table = Table("ACCOUNT", ">RANKS", ">QUOTA", ">BORROWS", ">MEMORY", ">QUOTA", ">RANK-HOURS", ">QUOTA", "SINCE")
        for status in accounts {
            let (account, used) = (status.account, status.used)
            table.append(
                Table.Cell(account.name), Table.Cell("\(used.ranks)", colour: colour(used.ranks, account.ranks)),
                "\(account.ranks.map(String.init) ?? "-")", "\(account.borrowedRanks.map(String.init) ?? "-")",
                Table.Cell(gibibytes(used.memory), colour: colour(used.memory, account.memory)), "\(account.memory.map(gibibytes) ?? "-")",
                "\(used.rankHours.map(number) ?? "-")", "\(account.rankHours.map(number) ?? "-")", "\(Format.time(account.since))")
        }
        return table
    }

    /// Those below another stand under it, one step to the right.
    static func shares(_ accounts: [AccountStatus]) -> Table {
        var table = Table("ACCOUNT", ">SHARE", ">RANKS", "USERS")
        let names = Set(accounts.map(\.account.name))
        let children = Dictionary(grouping: accounts) { status in status.account.parent.flatMap { names.contains($0) ? $0 : nil } }
        var rest: [(status: AccountStatus, depth: Int)] = (children[nil] ?? []).reversed().map { ($0, 0) }
        while let (status, depth) = rest.popLast() {
            let account = status.account
            table.append(
                Table.Cell(String(repeating: "  ", count: depth) + account.name), "\(account.share.map(number) ?? "-")",
                "\(status.used.ranks)",
                Table.Cell(account.users.isEmpty ? "-" : account.users.joined(separator: " ")))
            rest += (children[account.name] ?? []).reversed().map { ($0, depth + 1) }
        }
        return table
    }

    private static func colour<Value: Comparable>(_ used: Value, _ quota: Value?) -> Terminal.Colour? {
        quota.flatMap { used >= $0 ? .yellow : nil }
    }

    private static func gibibytes(_ mebibytes: Int) -> String { number(Double(mebibytes) / 1024) + " GiB" }

    /// With one place after the point where there is something to show.
    private static func number(_ value: Double) -> String {
        let tenths = (value * 10).rounded() / 10
        return tenths == tenths.rounded() && abs(tenths) < 1e15 ? "\(Int64(tenths))" : "\(tenths)"
    }
}
