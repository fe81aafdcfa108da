// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
package import HTTPClient
package import WorkflowModel

/// Turns bearer tokens into principals. Accepts signed JWT access tokens (RFC 9068) of the configured issuers and nothing else;
/// the rules follow RFC 8725.
package final class TokenValidator: Sendable {
    /// The configuration cannot be used.
    package struct InvalidConfiguration: Error, Sendable, Hashable, CustomStringConvertible {
        package var faults: [String]
        package var description: String { faults.joined(separator: "\n") }
    }

    private struct Issuer: Sendable {
        let configuration: IssuerConfiguration
        let acceptedTypes: Set<String>
        let keys: IssuerKeys
    }

    package static let maximumIssuers = 64

    private let issuers: [String: Issuer]
    private let now: @Sendable () -> Date

    package convenience init(
        issuers: [IssuerConfiguration], client: HTTPClient, now: @escaping @Sendable () -> Date = { Date() }
    ) throws(InvalidConfiguration) {
        try self.init(issuers: issuers, client: client, policy: KeyCache.Policy(), now: now)
    }

    init(
        issuers: [IssuerConfiguration], client: HTTPClient, policy: KeyCache.Policy, now: @escaping @Sendable () -> Date
    ) throws(InvalidConfiguration) {
        var faults = issuers.flatMap(\.faults)
        if issuers.isEmpty { faults.append("No issuer is configured, so no token could be accepted.") }
        if issuers.count > Self.maximumIssuers { faults.append("More than \(Self.maximumIssuers) issuers are configured.") }
        var byName: [String: Issuer] = [:]
        for configuration in issuers {
            let issuer = Issuer(
                configuration: configuration, acceptedTypes: Set(configuration.acceptedTypes.map(CompactToken.mediaType)),
                keys: IssuerKeys(configuration, client: client, policy: policy, now: now))
            if byName.updateValue(issuer, forKey: configuration.issuer) != nil {
                faults.append("Issuer '\(configuration.issuer)' is configured twice; give it one entry with all its audiences.")
            }
        }
        guard faults.isEmpty else { throw InvalidConfiguration(faults: faults) }
        self.issuers = byName
        self.now = now
    }

    package func validate(_ token: String) async throws(TokenError) -> Principal {
        let token = try CompactToken(token)
        // The unverified issuer only selects whose keys and rules the token has to pass.
        guard case .string(let name)? = token.claims["iss"], let issuer = issuers[name] else { throw .unknownIssuer }
        guard let algorithm = SigningAlgorithm(rawValue: token.algorithm), issuer.configuration.algorithms.contains(algorithm) else {
            throw .algorithmNotAllowed
        }
        guard issuer.acceptedTypes.contains(token.type) else { throw .wrongType }
        let key = try await issuer.keys.key(token.keyID)
        try key.verify(token.signature, of: token.signedPart, with: algorithm)
        return try ClaimRules(configuration: issuer.configuration).principal(of: token, now: now())
    }
}
