// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Glibc

/// The command line of `weftd`.
package enum ServerProgram {
    /// - Returns: the exit status.
    package static func run(_ arguments: [String]) async -> Int32 {
        let command: Weftd
        do {
            command = try Weftd.parse(arguments)
        } catch {
            let status = Weftd.exitCode(for: error)
            (status == .success ? FileHandle.standardOutput : .standardError).write(Data((Weftd.fullMessage(for: error) + "\n").utf8))
            return status.rawValue
        }
        // A client that goes away must not end the server.
        signal(SIGPIPE, SIG_IGN)
        // Ranks and PEs inherit it: what they write is their users' alone.
        umask(0o077)
        do {
            let configuration = try Configuration(file: command.config, environment: ProcessInfo.processInfo.environment)
            guard !command.checkConfig else {
                for warning in configuration.warnings { complain(warning) }
                print("The configuration is valid.")
                return 0
            }
            try await WeftServer(configuration).run()
            return 0
        } catch let error as ConfigurationError {
            complain(error.description)
            return StartFailure.Status.configuration.rawValue
        } catch let failure as StartFailure {
            complain(failure.description)
            return failure.status.rawValue
        } catch {
            complain("\(error)")
            return StartFailure.Status.software.rawValue
        }
    }

    private static func complain(_ text: String) {
        for line in text.split(separator: "\n") { FileHandle.standardError.write(Data("weftd: \(line)\n".utf8)) }
    }
}

private struct Weftd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weftd", abstract: "The server of Weft: API, scheduler, ingest.",
        discussion: "Variables WEFT_… are stronger than the file; docs/configuration.md describes every key.", version: WeftServer.version)

    @Option(help: ArgumentHelp("Configuration in YAML.", valueName: "file"))
    var config: String?

    @Flag(help: "Say whether the configuration is valid, and end.")
    var checkConfig = false
}
