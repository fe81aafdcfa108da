// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// An identity provider whose access tokens are accepted, and what is asked of them.
package struct IssuerConfiguration: Sendable, Hashable {
    /// Where the issuer's public keys come from.
    package enum KeySource: Sendable, Hashable {
        /// From `{issuer}/.well-known/openid-configuration`, whose `issuer` must be the same.
        case discovery
        /// A JWKS file on this machine, read again when it changes.
        case file(String)
        case url(String)
    }

    /// Compared with the token's `iss` character by character.
    package var issuer: String
    /// The token's `aud` must name one of them.
    package var audiences: [String]
    package var algorithms: [SigningAlgorithm]
    /// Values of the token's `typ`. Listing `JWT` accepts issuers that do not mark access tokens, and then refuses what looks
    /// like an ID, refresh or logout token.
    package var acceptedTypes: [String]
    package var jwks: KeySource
    /// Claim that holds the scopes, as words in a string or as an array; where it is absent `scp` is read.
    package var scopeClaim: String
    /// What the issuer's scopes allow here. When given, only these words count; otherwise Weft's own names do.
    package var scopeMapping: [String: [Scope]]?
    /// Claims that must be there with one of the values.
    package var requiredClaims: [String: [String]]
    package var clockSkewSeconds: Int
    package var maximumLifetimeSeconds: Int

    package init(
        issuer: String, audiences: [String], algorithms: [SigningAlgorithm] = [.rs256, .es256],
        acceptedTypes: [String] = ["at+jwt", "application/at+jwt"], jwks: KeySource = .discovery, scopeClaim: String = "scope",
        scopeMapping: [String: [Scope]]? = nil, requiredClaims: [String: [String]] = [:], clockSkewSeconds: Int = 60,
        maximumLifetimeSeconds: Int = 6 * 3600
    ) {
        self.issuer = issuer
        self.audiences = audiences
        self.algorithms = algorithms
        self.acceptedTypes = acceptedTypes
        self.jwks = jwks
        self.scopeClaim = scopeClaim
        self.scopeMapping = scopeMapping
        self.requiredClaims = requiredClaims
        self.clockSkewSeconds = clockSkewSeconds
        self.maximumLifetimeSeconds = maximumLifetimeSeconds
    }

    /// What is wrong with it, each a sentence; empty when it can be used.
    package var faults: [String] {
        var faults: [String] = []
        if issuer.isEmpty { faults.append("An issuer is empty; give the value of the tokens' 'iss' claim.") }
        if audiences.isEmpty || audiences.contains("") {
            faults.append("Issuer '\(issuer)' needs at least one audience, none of them empty.")
        }
        if algorithms.isEmpty { faults.append("Issuer '\(issuer)' needs at least one algorithm.") }
        if acceptedTypes.isEmpty { faults.append("Issuer '\(issuer)' needs at least one accepted type.") }
        if !(0...600).contains(clockSkewSeconds) {
            faults.append("clock_skew_seconds of issuer '\(issuer)' is \(clockSkewSeconds); it must lie between 0 and 600.")
        }
        if maximumLifetimeSeconds < 1 { faults.append("maximum_lifetime_seconds of issuer '\(issuer)' must be at least 1.") }
        let url: String? =
            switch jwks {
            case .discovery: issuer
            case .url(let url): url
            case .file: nil
            }
        if let url, !KeyFetcher.mayAsk(url) {
            faults.append(
                "'\(url)', asked for the keys of issuer '\(issuer)', must be an https URL (http is allowed for loopback hosts only).")
        }
        return faults
    }
}

extension IssuerConfiguration: Codable {
    package enum CodingKeys: String, CodingKey, CaseIterable {
        case issuer, audiences, algorithms, jwks
        case acceptedTypes = "accepted_types"
        case scopeClaim = "scope_claim"
        case scopeMapping = "scope_mapping"
        case requiredClaims = "required_claims"
        case clockSkewSeconds = "clock_skew_seconds"
        case maximumLifetimeSeconds = "maximum_lifetime_seconds"
    }

    private struct AnyKey: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    package init(from decoder: any Decoder) throws {
        let known = CodingKeys.allCases.map(\.rawValue)
        for key in try decoder.container(keyedBy: AnyKey.self).allKeys where !known.contains(key.stringValue) {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath + [key],
                    debugDescription: "unknown key '\(key.stringValue)' in an issuer; known are \(known.joined(separator: ", "))"))
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            issuer: try container.decode(String.self, forKey: .issuer),
            audiences: try container.decode([String].self, forKey: .audiences))
        algorithms = try container.decodeIfPresent([SigningAlgorithm].self, forKey: .algorithms) ?? algorithms
        acceptedTypes = try container.decodeIfPresent([String].self, forKey: .acceptedTypes) ?? acceptedTypes
        jwks = try container.decodeIfPresent(KeySource.self, forKey: .jwks) ?? jwks
        scopeClaim = try container.decodeIfPresent(String.self, forKey: .scopeClaim) ?? scopeClaim
        scopeMapping = try container.decodeIfPresent([String: [Scope]].self, forKey: .scopeMapping)
        requiredClaims = try container.decodeIfPresent([String: [String]].self, forKey: .requiredClaims) ?? requiredClaims
        clockSkewSeconds = try container.decodeIfPresent(Int.self, forKey: .clockSkewSeconds) ?? clockSkewSeconds
        maximumLifetimeSeconds = try container.decodeIfPresent(Int.self, forKey: .maximumLifetimeSeconds) ?? maximumLifetimeSeconds
    }
}

extension IssuerConfiguration.KeySource: Codable {
    private enum CodingKeys: String, CodingKey { case file, url }

    /// `discovery`, or a mapping of `file` or `url`.
    package init(from decoder: any Decoder) throws {
        if let word = try? decoder.singleValueContainer().decode(String.self), word == "discovery" {
            self = .discovery
            return
        }
        let container = try? decoder.container(keyedBy: CodingKeys.self)
        let file = try container?.decodeIfPresent(String.self, forKey: .file)
        let url = try container?.decodeIfPresent(String.self, forKey: .url)
        switch (file, url) {
        case (let path?, nil): self = .file(path)
        case (nil, let url?): self = .url(url)
        default:
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "jwks is 'discovery', 'file: PATH' or 'url: URL'"))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .discovery:
            var container = encoder.singleValueContainer()
            try container.encode("discovery")
        case .file(let path):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(path, forKey: .file)
        case .url(let url):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(url, forKey: .url)
        }
    }
}
