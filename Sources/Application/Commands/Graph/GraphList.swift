// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct GraphList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists registered graphs.")

    @Option(help: "Only those in whose name or documentation these words stand.")
    var search: String?

    @OptionGroup var list: ListOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (found, more) = try await connection.client()
            .list("graphs", query: search.map { [("search", $0)] } ?? [], limit: list.maximum, of: RegisteredGraph.self)
        let empty =
            search.map { "No graph matches '\($0)'." } ?? "No graph is registered yet: weft graph register FILE.py"
        try output.show(found, name: \.reference.description, empty: empty, table: GraphRendering.table)
        list.tellOfMore(more)
    }
}
