// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct RunWait: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Waits for the end of a run.",
        discussion: "The exit code tells how it ended: 0 succeeded, 3 failed, 1 cancelled, 124 when the time is over first.")

    @OptionGroup var argument: RunArgument

    @Option(help: ArgumentHelp("Wait no longer; the run goes on.", valueName: "seconds"))
    var timeout: Double?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        let following = RunFollowing(client: client, run: try await client.runID(argument.run))
        let ended = try await withTimeout(timeout, following.timeoutSentence(timeout)) { try await following.end() }
        switch output.format {
        case .json: try OutputOptions.showJSON(ended)
        case .table, .name: StandardStreams.output(output.format == .name ? ended.id.description : ended.state.rawValue)
        }
        try following.finish(ended)
    }
}
