// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

struct QuotaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quota", abstract: "What the runs of an account's users may take.",
        subcommands: [QuotaShow.self, QuotaSet.self], defaultSubcommand: QuotaShow.self)
}

struct QuotaShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows quotas, and what is used of them.", discussion: "The word show may be left out.")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let accounts = try await connection.client().accounts()
        try output.show(accounts, name: \.account.name, empty: "No accounts.", table: AccountRendering.quotas)
    }
}

struct QuotaSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Sets quotas of an account; what is not named stays.",
        discussion: """
            An account that is not there is made, without users: weft share set gives it some. A value of 'none' takes a quota away. Needs \
            the scope weft.admin.
            """)

    @Argument(help: "A name: letters, digits, and any of _ . -") var account: String

    @Option(help: ArgumentHelp("Ranks of running runs.", valueName: "number"))
    var ranks: Settable<Int>?

    @Option(help: ArgumentHelp("Ranks beyond these while other accounts leave theirs unused.", valueName: "number"))
    var borrow: Settable<Int>?

    @Option(help: ArgumentHelp("Memory of running runs.", valueName: "GiB"))
    var memory: Settable<Double>?

    @Option(help: ArgumentHelp("Ranks times hours, in all.", valueName: "hours"))
    var rankHours: Settable<Double>?

    @Option(
        help: ArgumentHelp("From when rank-hours are counted: 2026-01-01T00:00:00Z, or now to begin anew.", valueName: "time"),
        transform: Moment.init)
    var since: Moment?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard ranks != nil || borrow != nil || memory != nil || rankHours != nil || since != nil else {
            throw ValidationError("Say what to set: --ranks, --borrow, --memory, --rank-hours or --since.")
        }
        if let memory = memory?.value, !(0...1_000_000_000).contains(memory) {
            throw ValidationError("--memory must be from 0 to 1000000000 GiB.")
        }
    }

    func run() async throws {
        let changed = try await connection.client().change(account: account) { change(&$0, now: Date()) }
        try output.show(changed, name: changed.account.name) { AccountRendering.quotas([$0]).render(.output) }
    }

    func change(_ request: inout AccountRequest, now: Date) {
        if let ranks { request.ranks = ranks.value }
        if let borrow { request.borrowedRanks = borrow.value }
        // Without a quota of ranks, nothing is borrowed.
        if request.ranks == nil, borrow == nil { request.borrowedRanks = nil }
        if let memory { request.memory = memory.value.map { Int(($0 * 1024).rounded()) } }
        if let rankHours { request.rankHours = rankHours.value }
        if let since { request.since = since.date(from: now) }
        if request.rankHours == nil, since == nil { request.since = nil }
    }
}
