// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

struct ReserveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reserve", abstract: "Nodes for runs that name a reservation.",
        subcommands: [ReserveAdd.self, ReserveList.self, ReserveRemove.self], defaultSubcommand: ReserveAdd.self)
}

struct ReserveAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Keeps nodes for runs that name the reservation (run submit --reservation NAME).",
        discussion: "The word add may be left out. Needs the scope weft.admin.")

    @Argument(help: "A name for it: letters, digits, and any of _ . -") var name: String
    @OptionGroup var window: WindowOptions

    @Option(help: ArgumentHelp("Who may use it, as subject@issuer, between commas; without it, everybody.", valueName: "users"))
    var users: NameList?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let now = Date()
        let request = window.request(name, .reservation, users: users?.names, now: now)
        let added: ClusterWindow = try await connection.client().post("windows", body: request)
        try output.show(added, name: added.name) { WindowRendering.table([$0], now: now).render(.output) }
    }
}

struct ReserveList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists reservations, by their beginning.")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let found = try await connection.client().windows(.reservation)
        try output.show(found, name: \.name, empty: "No reservations.") { WindowRendering.table($0, now: Date()) }
    }
}

struct ReserveRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Gives the nodes back.", discussion: "Needs the scope weft.admin.")

    @Argument var name: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws { try await connection.client().removeWindow(name, .reservation) }
}
