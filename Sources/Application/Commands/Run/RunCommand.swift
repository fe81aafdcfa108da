// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs of graphs.",
        subcommands: [
            RunSubmit.self, RunList.self, RunShow.self, RunWatch.self, RunLogs.self, RunWait.self, RunCancel.self, RunRetry.self,
            RunResults.self,
        ])
}

/// The run that a command is about.
struct RunArgument: ParsableArguments {
    @Argument(help: "Id of the run, the beginning of one, or @latest.")
    var run: String
}
