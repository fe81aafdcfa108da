// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// The token for one server. Read anew for each call, so that a command that follows a long run outlives its first token.
struct Credentials: Sendable {
    var server: String
    var discovery: TokenDiscovery
    var context: ContextFile

    /// Left of a token's life when it is renewed.
    private static let margin: Double = 60

    func token() async throws -> FoundToken {
        if let found = try discovery.discover() { return found }
        // A context's token goes to the context's server and to no other.
        guard let stored = context.read(), stored.server == server, let token = stored.token else {
            throw CommandFailure(
                "There is no token for \(server). Put one in WEFT_TOKEN, BEARER_TOKEN or the file that BEARER_TOKEN_FILE names; "
                    + "`weft up` provides one for the server it starts.",
                status: .authentication)
        }
        if let data = stored.dataFolder, let expiry = TokenClaims(token: token)?.expiresAt, expiry.timeIntervalSinceNow < Self.margin {
            var renewed = stored
            renewed.token = try await LocalToken.issue(in: DataFolder(path: data))
            try context.write(renewed)
            return FoundToken(token: renewed.token ?? token, origin: context.path)
        }
        return FoundToken(token: token, origin: context.path)
    }
}
