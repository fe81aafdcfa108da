// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct ForecastQueue: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Tells waits and the use of the cluster to come, if things stay as they are.",
        discussion: """
            Futures are made of what was submitted in the past weeks, at the same hours of the week. Waits are of what waits now and of \
            what is submitted until the horizon.
            """)

    @OptionGroup var future: FutureOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        var query: APIClient.Query = []
        if let horizon = future.horizon { query.append(("horizon", "\(horizon)")) }
        if let futures = future.futures { query.append(("futures", "\(futures)")) }
        let forecast: QueueForecast = try await connection.client().patient.get("forecasts", "queue", query: query)
        try output.show(forecast, name: forecast.figures.p95Wait.map(String.init) ?? "-") {
            ForecastRendering.describe($0.basis, [("AS IT IS", $0.figures)])
        }
    }
}
