// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

struct AuthStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows as whom the server knows you, what you may do, and where the token came from.")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        let found = try await client.credentials.token()
        let principal: Principal = try await client.get("whoami")
        try output.show(principal, name: principal.label) { principal in
            var fields = Fields()
            fields.add("server", client.server)
            fields.add("subject", principal.subject)
            fields.add("issuer", principal.issuer)
            fields.add("scopes", principal.scopes.sorted().map(\.rawValue).joined(separator: " "))
            fields.add("token from", found.origin)
            fields.add("valid until", TokenClaims(token: found.token)?.expiresAt.map { Format.time($0) })
            return fields.render()
        }
    }
}
