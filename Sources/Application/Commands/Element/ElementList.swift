// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct ElementList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists registered PEs.")

    @Option(help: "Only those in whose name or documentation these words stand.")
    var search: String?

    @OptionGroup var list: ListOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (found, more) = try await connection.client()
            .list("elements", query: search.map { [("search", $0)] } ?? [], limit: list.maximum, of: RegisteredElement.self)
        let empty =
            search.map { "No PE matches '\($0)'." } ?? "No PE is registered yet: they come with the graphs that use them."
        try output.show(found, name: \.reference.description, empty: empty, table: GraphRendering.table)
        list.tellOfMore(more)
    }
}
