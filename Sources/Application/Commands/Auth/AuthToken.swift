// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct AuthToken: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Prints the token that the other commands send, for use with curl and the like.")

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        StandardStreams.output(try await connection.client().credentials.token().token)
    }
}
