// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

/// The command line of Weft: a folder for each noun, a file for each verb.
struct Weft: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weft",
        abstract: "Runs graphs of process elements on MPI and remembers where every result came from.",
        discussion: """
            Exit codes: 0 done, 1 error, 2 wrong usage, 3 the run failed, 4 no or not enough authority, 5 not found, 124 timeout.
            """,
        subcommands: [
            Try.self, Up.self, Down.self, Status.self, GraphCommand.self, ElementCommand.self, PlanCommand.self, RunCommand.self,
            ProvenanceCommand.self, NodeCommand.self, MaintenanceCommand.self, ReserveCommand.self, QuotaCommand.self, ShareCommand.self,
            QueueCommand.self, ForecastCommand.self, WhatIfCommand.self, AdviseCommand.self, SimulateCommand.self, AuthCommand.self,
        ])
}

/// What `weft`'s main function calls.
package enum CommandLineProgram {
    /// - Returns: the exit code.
    package static func run(_ arguments: [String]) async -> Int32 {
        do {
            var command = try Weft.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return ExitStatus.ok.rawValue
        } catch {
            return report(error).rawValue
        }
    }

    private static func report(_ error: any Error) -> ExitStatus {
        let status = ExitStatus(of: error)
        switch error {
        case is SilentExit: break
        case is CommandFailure, is Problem:
            StandardStreams.chatter("\(Terminal.chatter.paint("weft:", .red)) \(String(describing: error).printableLines)")
        default:
            let message = Weft.fullMessage(for: error)
            if status == .ok { StandardStreams.output(message) } else if !message.isEmpty { StandardStreams.chatter(message) }
        }
        return status
    }
}
