// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Identity
import WorkflowModel

/// Tokens of the installation's own issuer, for whoever can read its key.
enum LocalToken {
    static let issuer = "urn:weft:local"
    static let audience = "weft"
    /// The longest that the server accepts unless told otherwise.
    private static let lifetime = Duration.seconds(6 * 3600)

    static func issue(in folder: DataFolder) async throws -> String {
        do {
            let issuer = try LocalIssuer.load(from: folder.issuer)
            return try await issuer.token(subject: UserFolders().name, scopes: Scope.allCases, lifetime: lifetime)
        } catch let failure as LocalIssuer.Failure {
            throw CommandFailure(failure.description, status: .authentication)
        }
    }
}
