// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct ForecastWait: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Tells how long a run is going to wait: one that waits, or one that is not submitted.",
        discussion: "The first figure is as likely too low as too high; the second holds nineteen times of twenty.")

    @Argument(help: "Id of a run that waits, the beginning of one, or @latest.")
    var run: String?

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Ranks of a run that is not submitted.", valueName: "number"))
    var ranks: Int?

    @Option(
        name: [.customLong("time"), .customLong("time-limit")], help: ArgumentHelp("Its time limit, as 45m or 12h.", valueName: "length"),
        transform: parseSeconds)
    var timeLimit: Int?

    @Option(help: ArgumentHelp("Memory of one rank.", valueName: "MiB"))
    var memory: Int?

    @Option(name: .customLong("label"), help: ArgumentHelp("A label that every node must have (repeatable).", valueName: "label"))
    var labels: [String] = []

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if run != nil, ranks != nil || timeLimit != nil || memory != nil || !labels.isEmpty {
            throw ValidationError("What a run asks for is known: give its id alone, or --ranks for one that is not submitted.")
        }
        if run == nil, ranks == nil { throw ValidationError("Say of which run: RUN, or --ranks for one that is not submitted.") }
    }

    /// Of a run that is not submitted.
    var request: WaitForecastRequest {
        let needs = RunNeeds(timeLimit: timeLimit, labels: labels.isEmpty ? nil : labels)
        return WaitForecastRequest(ranks: ranks, memoryPerRank: memory, needs: needs == RunNeeds() ? nil : needs)
    }

    func run() async throws {
        let client = try connection.client().patient
        var request = request
        if let run { request.run = try await client.runID(run) }
        let forecast: RunWaitForecast = try await client.post("forecasts", "wait", body: request)
        try output.show(forecast, name: forecast.p50.map(String.init) ?? "-", text: ForecastRendering.describe)
    }
}
