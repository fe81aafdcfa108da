// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct ProvenanceData: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "data", abstract: "Lists the data that flowed in a run.")

    @OptionGroup var argument: RunArgument

    @Option(help: "Only what this PE (its id) wrote.")
    var pe: String?

    @Option(help: ArgumentHelp("Of this attempt (default: the latest).", valueName: "number"))
    var attempt: Int?

    @OptionGroup var list: ListOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        let run = try await client.runID(argument.run)
        let query: APIClient.Query = (pe.map { [("element", $0)] } ?? []) + (attempt.map { [("attempt", "\($0)")] } ?? [])
        let (data, more) = try await client.list("runs", run.description, "data", query: query, limit: list.maximum, of: DatumRecord.self)
        try output.show(data, name: \.id.description, empty: "No data are recorded.", table: DatumRendering.table)
        list.tellOfMore(more)
    }
}
