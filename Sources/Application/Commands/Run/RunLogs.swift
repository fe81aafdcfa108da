// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct RunLogs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "logs", abstract: "Prints what a run's PEs printed.")

    @OptionGroup var argument: RunArgument

    @Flag(name: .shortAndLong, help: "Also what is still to come, until the run ends.")
    var follow = false

    @Option(help: ArgumentHelp("Only this rank.", valueName: "number"))
    var rank: Int?

    @Option(help: ArgumentHelp("Only this attempt.", valueName: "number"))
    var attempt: Int?

    @OptionGroup var connection: ConnectionOptions

    @Option(name: .shortAndLong, help: "table for people; json: one document a line.")
    var output = OutputFormat.table

    func run() async throws {
        let client = try connection.client()
        let run = try await client.runID(argument.run)
        let show: (LogLine) throws -> Void = { line in
            if output == .json {
                StandardStreams.output(bytes: try WireJSON.encode(line) + [0x0A])
            } else {
                StandardStreams.output(LogRendering.line(line))
            }
        }
        if follow {
            return try await RunFollowing(client: client, run: run).logs(rank: rank, attempt: attempt, show)
        }
        try await client.forEach(
            "runs", run.description, "logs", query: LogRendering.query(rank: rank, attempt: attempt), paging: .logLines, show)
    }
}
