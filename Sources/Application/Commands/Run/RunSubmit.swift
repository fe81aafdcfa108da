// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

struct RunSubmit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit", abstract: "Submits a run of a graph, or of an MPI program, and prints its id.",
        discussion: "With --wait the exit code tells how the run ended: 0 succeeded, 3 failed, 1 cancelled.")

    @OptionGroup var demand: RunDemand

    @Option(help: ArgumentHelp("The same key and request again give the same run.", valueName: "key"))
    var idempotencyKey: String?

    @Flag(help: "Print the plan and start nothing.")
    var dryRun = false

    @Flag(help: "Wait for the end of the run.")
    var wait = false

    @Flag(help: "Print what the run prints, until its end.")
    var follow = false

    @Option(help: ArgumentHelp("Wait no longer; the run goes on.", valueName: "seconds"))
    var timeout: Double?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        if dryRun {
            let planned: PlannedRun = try await client.post("runs", body: try await demand.request(client, dryRun: true))
            return try output.show(planned, name: planned.graph.description, text: { PlanRendering.describe($0) })
        }
        // A key of our own makes it safe to ask again when the answer is lost.
        let run: Run = try await client.post(
            "runs", body: try await demand.request(client), idempotencyKey: idempotencyKey ?? UUID().uuidString.lowercased())
        let waits = wait || follow
        if output.format == .json {
            if !waits { try OutputOptions.showJSON(run) }
        } else if follow {
            StandardStreams.chatter("run \(run.id)")
        } else {
            StandardStreams.output(run.id.description)
        }
        guard waits else { return }
        let following = RunFollowing(client: client, run: run.id)
        let showsLogs = follow && output.format != .json
        let ended = try await withTimeout(timeout, following.timeoutSentence(timeout)) {
            if showsLogs { try await following.logs { StandardStreams.output(LogRendering.line($0)) } }
            return try await following.end()
        }
        if output.format == .json { try OutputOptions.showJSON(ended) }
        try following.finish(ended)
    }
}
