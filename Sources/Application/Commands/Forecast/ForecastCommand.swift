// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct ForecastCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forecast", abstract: "How long runs are going to wait.", subcommands: [ForecastWait.self, ForecastQueue.self])
}

/// How far and how often futures are looked at.
struct FutureOptions: ParsableArguments {
    @Option(help: ArgumentHelp("How far to look, as 12h or 7d (default: 24h).", valueName: "length"), transform: parseSeconds)
    var horizon: Int?

    @Option(help: ArgumentHelp("How many futures to go through, up to 64 (default: 32).", valueName: "number"))
    var futures: Int?
}

extension APIClient {
    /// Futures take the server minutes at worst, and it does not go through those of two callers at a time.
    var patient: APIClient {
        var client = self
        client.timeout = .seconds(420)
        return client
    }
}
