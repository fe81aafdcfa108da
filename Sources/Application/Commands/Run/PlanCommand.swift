// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Shows how a graph would be laid out on MPI ranks, and why; starts nothing.")

    @OptionGroup var demand: RunDemand
    @Flag(help: "Tell what is expected of each PE, and from which runs.")
    var explain = false

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        let planned: PlannedRun = try await client.post("runs", body: try await demand.request(client, dryRun: true))
        try output.show(planned, name: planned.graph.description, text: { PlanRendering.describe($0, explains: explain) })
    }
}
