// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct AuthCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "auth", abstract: "Who you are to the server.", subcommands: [AuthStatus.self, AuthToken.self])
}
