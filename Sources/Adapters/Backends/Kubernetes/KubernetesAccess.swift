// SPDX-License-Identifier: Apache-2.0

package import HTTPClient

/// How the API server is reached, and as whom.
package struct KubernetesAccess: Sendable, Equatable {
    package enum Credential: Sendable, Equatable {
        case none
        case token(String)
        /// Read again for each request: tokens of service accounts are renewed in place.
        case tokenFile(String)
        case certificate(HTTPClient.ClientIdentity)
    }

    /// Without a slash at the end.
    package var server: String
    /// PEM text; absent: the system's authorities.
    package var authorities: String?
    package var credential: Credential
    package var namespace: String

    package init(server: String, authorities: String?, credential: Credential, namespace: String) {
        self.server = server
        self.authorities = authorities
        self.credential = credential
        self.namespace = namespace
    }
}
