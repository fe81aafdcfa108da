// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct RunResults: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "results", abstract: "Shows what a run's PEs wrote to outputs that no edge reads.")

    @OptionGroup var argument: RunArgument

    @Option(help: ArgumentHelp("Only of this attempt (default: the run's, of all attempts that resume one another).", valueName: "number"))
    var attempt: Int?

    @OptionGroup var list: ListOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        let run = try await client.runID(argument.run)
        let (results, more) = try await client.list(
            "runs", run.description, "results", query: attempt.map { [("attempt", "\($0)")] } ?? [], limit: list.maximum,
            of: RunResult.self)
        try output.show(results, name: \.datum.description, empty: "No results.") { results in
            var table = Table("DATUM", "PE", "PORT", "VALUE")
            for result in results {
                table.append(
                    "\(result.datum.description)", "\(result.element)", "\(result.port)",
                    "\(Format.shortened(Format.compact(result.value), to: 100))")
            }
            return table
        }
        list.tellOfMore(more)
    }
}
