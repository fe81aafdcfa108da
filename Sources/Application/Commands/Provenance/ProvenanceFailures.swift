// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct ProvenanceFailures: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "failures", abstract: "Lists the calls that failed or were skipped, and the data they were given.",
        discussion: "What went wrong with each stands in the log: weft run logs RUN.")

    @OptionGroup var argument: RunArgument

    @Flag(help: "Only those whose datum was given up while the run went on.")
    var skipped = false

    @Option(help: ArgumentHelp("Of this attempt (default: the latest).", valueName: "number"))
    var attempt: Int?

    @OptionGroup var list: ListOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        let run = try await client.runID(argument.run)
        let query: APIClient.Query = (skipped ? [("outcome", "skipped")] : []) + (attempt.map { [("attempt", "\($0)")] } ?? [])
        let (failures, more) = try await client.list(
            "runs", run.description, "invocations", query: query, limit: list.maximum, of: FailedInvocation.self)
        try output.show(
            failures, name: { $0.datum?.description ?? "-" }, empty: "No call failed or was skipped.", table: ProvenanceRendering.failures)
        list.tellOfMore(more)
    }
}
