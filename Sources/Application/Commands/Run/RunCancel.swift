// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct RunCancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "cancel", abstract: "Cancels a run.")

    @OptionGroup var argument: RunArgument

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        let run: Run = try await client.post("runs", try await client.runID(argument.run).description, "cancel")
        try output.show(run, name: run.id.description) { "\($0.id) \($0.state.rawValue)" }
    }
}
