// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct RunRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Tries a failed or cancelled run again, as another attempt of the same run.")

    @OptionGroup var argument: RunArgument

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        let run: Run = try await client.post("runs", try await client.runID(argument.run).description, "retry")
        try output.show(run, name: run.id.description) { "\($0.id) \($0.state.rawValue), attempt \($0.attempts.count)" }
    }
}
