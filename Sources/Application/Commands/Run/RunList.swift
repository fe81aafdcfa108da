// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

struct RunList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists your runs, newest first.")

    @Option(help: "Only runs in this state; may be given several times.")
    var state: [RunState] = []

    @Option(help: "Only runs of this graph.", transform: parseReference)
    var graph: Reference?

    @Option(help: "Only runs with this name.")
    var name: String?

    @Flag(help: "Everybody's runs; needs the scope weft.admin.")
    var all = false

    @OptionGroup var list: ListOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        var query: APIClient.Query = state.map { ("state", $0.rawValue) }
        if let graph { query.append(("graph", graph.description)) }
        if let name { query.append(("name", name)) }
        if all { query.append(("owner", "all")) }
        let (runs, more) = try await connection.client().list("runs", query: query, limit: list.maximum, of: Run.self)
        try output.show(runs, name: \.id.description, empty: "No runs.") { RunRendering.table($0, now: Date()) }
        list.tellOfMore(more)
    }
}

extension RunState: ExpressibleByArgument {}
