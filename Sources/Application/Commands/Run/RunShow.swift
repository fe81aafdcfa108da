// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

struct RunShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows one run: its state, why it waits or failed, and its attempts.")

    @OptionGroup var argument: RunArgument
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        let run: Run = try await client.get("runs", try await client.runID(argument.run).description)
        try output.show(run, name: run.id.description) { RunRendering.describe($0, now: Date(), terminal: .output) }
    }
}
