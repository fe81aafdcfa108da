// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

struct MaintenanceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maintenance", abstract: "Times in which nodes are kept free of runs.",
        subcommands: [MaintenanceAdd.self, MaintenanceList.self, MaintenanceRemove.self])
}

struct MaintenanceAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Keeps nodes free of runs for a time.",
        discussion: """
            Runs that must be over before it begins still start. What runs is not ended: give the nodes as long as the longest time limit \
            beforehand. Needs the scope weft.admin.
            """)

    @Argument(help: "A name for it: letters, digits, and any of _ . -") var name: String
    @OptionGroup var window: WindowOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let now = Date()
        let added: ClusterWindow = try await connection.client().post("windows", body: window.request(name, .maintenance, now: now))
        try output.show(added, name: added.name) { WindowRendering.table([$0], now: now).render(.output) }
    }
}

struct MaintenanceList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists maintenance, by its beginning.")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let found = try await connection.client().windows(.maintenance)
        try output.show(found, name: \.name, empty: "No maintenance.") { WindowRendering.table($0, now: Date()) }
    }
}

struct MaintenanceRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Gives the nodes back.", discussion: "Needs the scope weft.admin.")

    @Argument var name: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws { try await connection.client().removeWindow(name, .maintenance) }
}
