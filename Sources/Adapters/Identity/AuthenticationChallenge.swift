// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// The value of `WWW-Authenticate` in a 400, 401 or 403 answer (RFC 6750, 3; RFC 9728, 5.1).
package struct AuthenticationChallenge: Sendable, Hashable {
    package enum Failure: String, Sendable, Hashable {
        case invalidRequest = "invalid_request"
        case invalidToken = "invalid_token"
        case insufficientScope = "insufficient_scope"

        package var status: Int {
            switch self {
            case .invalidRequest: 400
            case .invalidToken: 401
            case .insufficientScope: 403
            }
        }
    }

    package var realm: String
    /// Absent when the request held no credentials: then nothing failed.
    package var failure: Failure?
    package var detail: String?
    /// What the resource needs.
    package var scopes: [Scope]
    /// URL of `/.well-known/oauth-protected-resource`.
    package var resourceMetadata: String?

    package init(
        realm: String = "weft", failure: Failure? = nil, detail: String? = nil, scopes: [Scope] = [], resourceMetadata: String? = nil
    ) {
        self.realm = realm
        self.failure = failure
        self.detail = detail
        self.scopes = scopes
        self.resourceMetadata = resourceMetadata
    }

    package var headerValue: String {
        var parameters = [("realm", realm)]
        if let failure { parameters.append(("error", failure.rawValue)) }
        if let detail { parameters.append(("error_description", detail)) }
        if !scopes.isEmpty { parameters.append(("scope", scopes.map(\.rawValue).joined(separator: " "))) }
        if let resourceMetadata { parameters.append(("resource_metadata", resourceMetadata)) }
        return "Bearer " + parameters.map { "\($0)=\"\(Self.quotable($1))\"" }.joined(separator: ", ")
    }

    /// RFC 6750 allows printable ASCII without quotation mark and backslash.
    private static func quotable(_ text: String) -> String {
        String(text.unicodeScalars.map { (" "..."~").contains($0) && $0 != "\"" && $0 != "\\" ? Character($0) : "'" })
    }
}
