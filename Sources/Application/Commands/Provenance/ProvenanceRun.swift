// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct ProvenanceRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Shows what each PE of a run did: calls, data in and out, time.")

    @OptionGroup var argument: RunArgument

    @Flag(help: "A line for each instance, with its rank.")
    var instances = false

    @Option(help: ArgumentHelp("Of this attempt (default: the latest).", valueName: "number"))
    var attempt: Int?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        let run = try await client.runID(argument.run)
        let summary: ProvenanceSummary = try await client.get(
            "runs", run.description, "provenance", query: attempt.map { [("attempt", "\($0)")] } ?? [])
        try output.show(summary, name: run.description) {
            (instances ? ProvenanceRendering.instances($0) : ProvenanceRendering.table($0)).render(.output)
        }
        if output.format == .table, !summary.complete {
            StandardStreams.chatter("Not all records of attempt \(summary.attempt) have been read yet.")
        }
    }
}
