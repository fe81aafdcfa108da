// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// What is asked of the claims of a token whose signature has been verified.
struct ClaimRules {
    let configuration: IssuerConfiguration

    func principal(of token: CompactToken, now: Date) throws(TokenError) -> Principal {
        let claims = token.claims
        try checkTimes(claims, now: now.timeIntervalSince1970)
        let audiences = try audiences(claims)
        guard audiences.contains(where: configuration.audiences.contains) else { throw .wrongAudience }
        if claims["cnf"] != nil { throw .boundToKey }
        // An issuer that marks its access tokens is believed; one that does not (`typ: JWT`) could have signed anything.
        if token.type == "jwt" { try refuseOtherTokens(claims, audiences) }
        try checkProfile(claims)
        for (name, values) in configuration.requiredClaims {
            guard let present = Self.words(claims[name]), present.contains(where: values.contains) else {
                throw .claim("'\(name)' has none of the required values")
            }
        }
        return Principal(issuer: configuration.issuer, subject: try subject(claims), scopes: try scopes(claims))
    }

    private func checkTimes(_ claims: [String: JSONValue], now: Double) throws(TokenError) {
        let skew = Double(configuration.clockSkewSeconds)
        guard let expires = try time("exp", claims) else { throw .claim("'exp' is missing") }
        let notBefore = try time("nbf", claims)
        let issued = try time("iat", claims)
        guard now < expires else { throw .expired }
        guard (notBefore ?? 0) <= now + skew, (issued ?? 0) <= now + skew else { throw .notYetValid }
        guard expires - (issued ?? notBefore ?? now) <= Double(configuration.maximumLifetimeSeconds) else { throw .lifetimeTooLong }
    }

    /// Seconds since 1970, of a claim that may be absent.
    private func time(_ name: String, _ claims: [String: JSONValue]) throws(TokenError) -> Double? {
        let seconds: Double
        switch claims[name] {
        case nil: return nil
        case .integer(let value)?: seconds = Double(value)
        case .number(let value)?: seconds = value
        default: throw .claim("'\(name)' is not a number")
        }
        guard seconds > 0, seconds < 0x1p53 else { throw .claim("'\(name)' is not a time") }
        return seconds
    }

    private func audiences(_ claims: [String: JSONValue]) throws(TokenError) -> [String] {
        switch claims["aud"] {
        case .string(let audience)?: return [audience]
        case .array(let elements)?:
            let audiences = elements.compactMap(\.stringValue)
            guard audiences.count == elements.count else { throw .claim("'aud' holds something that is not a string") }
            return audiences
        default: throw .claim("'aud' is neither a string nor an array")
        }
    }

    private func refuseOtherTokens(_ claims: [String: JSONValue], _ audiences: [String]) throws(TokenError) {
        for name in ["nonce", "at_hash", "c_hash", "s_hash", "events"] where claims[name] != nil {
            throw .notAnAccessToken("it has '\(name)'")
        }
        // Keycloak names the kind of token in a claim.
        if let kind = claims["typ"], kind != "Bearer" { throw .notAnAccessToken("its claim 'typ' is not 'Bearer'") }
        for name in ["azp", "client_id"] {
            if let client = claims[name]?.stringValue, audiences.allSatisfy({ $0 == client }) {
                throw .notAnAccessToken("its only audience is the client it was issued to")
            }
        }
    }

    /// WLCG profile: another major version may mean anything.
    private func checkProfile(_ claims: [String: JSONValue]) throws(TokenError) {
        guard let version = claims["wlcg.ver"] else { return }
        let parts = (version.stringValue ?? "").split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "1", !parts[1].isEmpty, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw .claim("'wlcg.ver' is not 1.x")
        }
    }

    /// An opaque key: used to compare and to show, never as a path or a name.
    private func subject(_ claims: [String: JSONValue]) throws(TokenError) -> String {
        guard case .string(let subject)? = claims["sub"], (1...255).contains(subject.utf8.count),
            subject.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else { throw .claim("'sub' is not a string of 1 to 255 printable ASCII characters") }
        return subject
    }

    private func scopes(_ claims: [String: JSONValue]) throws(TokenError) -> Set<Scope> {
        guard let claim = claims[configuration.scopeClaim] ?? claims["scp"] else { return [] }
        guard let words = Self.words(claim) else {
            throw .claim("the scopes are neither words in a string nor an array of strings")
        }
        guard let mapping = configuration.scopeMapping else { return Set(words.compactMap(Scope.init(rawValue:))) }
        return Set(words.flatMap { mapping[$0] ?? [] })
    }

    private static func words(_ claim: JSONValue?) -> [String]? {
        switch claim {
        case .string(let text)?: return text.split(separator: " ").map(String.init)
        case .array(let elements)?:
            let words = elements.compactMap(\.stringValue)
            return words.count == elements.count ? words : nil
        default: return nil
        }
    }
}
