// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPClient
import Testing
import WorkflowModel

@testable import Identity

/// What is accepted, and what each deliberate leniency is.
@Suite struct AcceptanceTests {
    static let alice = Principal(issuer: TokenForge.issuer, subject: "alice", scopes: [.read, .submit])

    @Test(arguments: [(TokenForge.Key.rsa, "RS256", "rsa-1"), (.ec, "ES256", "ec-1")])
    func bothMandatoryAlgorithms(key: TokenForge.Key, algorithm: String, kid: String) async throws {
        let forge = try await TokenForge.shared.value
        let token = try forge.token(header: ["alg": .string(algorithm), "kid": .string(kid)], key: key)
        #expect(try await forge.validator().validate(token) == Self.alice)
    }

    @Test(
        arguments: [
            (["typ": "application/at+jwt"], [:]), (["typ": "AT+JWT"], [:]),
            // Ignored, never used.
            (["jwk": ["kty": "oct"]], [:]), (["jku": "https://evil.test"], [:]), (["x5u": "https://evil.test"], [:]), (["x5c": [1]], [:]),
            // One of several audiences is enough.
            ([:], ["aud": ["other", "second-audience"]]),
            // Clocks may differ by a minute, and times may have fractions.
            ([:], ["nbf": 1_800_000_059, "iat": 1_800_000_060]), ([:], ["exp": .number(1_800_000_000.5)]),
            // A newer minor version of the profile.
            ([:], ["wlcg.ver": "1.9"]),
            // A token with 12 KB of further claims is large, but not too large.
            ([:], ["groups": .string(String(repeating: "g", count: 9000))]),
        ] as [([String: JSONValue], [String: JSONValue])])
    func isAccepted(header: [String: JSONValue], claims: [String: JSONValue]) async throws {
        let forge = try await TokenForge.shared.value
        #expect(try await forge.validator().validate(forge.token(header: header, claims: claims)) == Self.alice)
    }

    @Test func aSubjectIsOpaque() async throws {
        let forge = try await TokenForge.shared.value
        for subject in ["../../etc/passwd", "a b", "alice@issuer.test", "1"] {
            let token = try forge.token(claims: ["sub": .string(subject), "preferred_username": "alice"])
            #expect(try await forge.validator().validate(token).subject == subject)
        }
    }

    @Test(
        arguments: [
            ("weft.read", [.read]), ("  weft.read   weft.admin ", [.read, .admin]), (["weft.submit"], [.submit]),
            ("openid profile compute.read", []), ("WEFT.READ", []), ("", []), ("weft.read\tweft.admin", []),
        ] as [(JSONValue, Set<Scope>)])
    func scopesAreReadFromWordsOrArrays(claim: JSONValue, scopes: Set<Scope>) async throws {
        let forge = try await TokenForge.shared.value
        #expect(try await forge.validator().validate(forge.token(claims: ["scope": claim])).scopes == scopes)
        let scp = try forge.token(claims: ["scp": claim], without: "scope")
        #expect(try await forge.validator().validate(scp).scopes == scopes)
    }

    @Test func noScopeClaimIsNoScope() async throws {
        let forge = try await TokenForge.shared.value
        #expect(try await forge.validator().validate(forge.token(without: "scope")).scopes == [])
    }

    @Test func aMappingReplacesWeftsOwnNames() async throws {
        let forge = try await TokenForge.shared.value
        let validator = try forge.validator {
            $0.scopeClaim = "wlcg_scope"
            $0.scopeMapping = ["compute.read": [.read], "compute.create": [.read, .submit]]
        }
        let mapped = try forge.token(claims: ["wlcg_scope": "compute.create weft.admin"])
        #expect(try await validator.validate(mapped).scopes == [.read, .submit])
    }

    @Test func requiredClaimsMustHoldOneOfTheirValues() async throws {
        let forge = try await TokenForge.shared.value
        let validator = try forge.validator { $0.requiredClaims = ["azp": ["a", "b"], "groups": ["staff"]] }
        let good = try forge.token(claims: ["azp": "b", "groups": ["guests", "staff"]])
        #expect(try await validator.validate(good) == Self.alice)
        for claims: [String: JSONValue] in [["azp": "b"], ["azp": "c", "groups": ["staff"]], ["azp": "b", "groups": ["Staff"]]] {
            let error = await #expect(throws: TokenError.self) { try await validator.validate(forge.token(claims: claims)) }
            #expect(error?.reason.contains("required values") == true)
        }
    }

    @Test func unmarkedAccessTokensAreAcceptedOnlyWhereListed() async throws {
        let forge = try await TokenForge.shared.value
        let token = try forge.token(header: ["typ": "JWT"], claims: ["typ": "Bearer", "azp": "cli"])
        await #expect(throws: TokenError.wrongType) { try await forge.validator().validate(token) }
        #expect(try await forge.validator { $0.acceptedTypes = ["at+jwt", "JWT"] }.validate(token) == Self.alice)
    }

    @Test func eachIssuerHasItsOwnKeysAndRules() async throws {
        let forge = try await TokenForge.shared.value
        func file(_ keys: [JSONValue]) throws -> String {
            let path = FileManager.default.temporaryDirectory.appending(path: "jwks-\(UUID().uuidString).json").path()
            try Data(TokenForge.jwks(keys).utf8).write(to: URL(filePath: path))
            return path
        }
        let first = IssuerConfiguration(
            issuer: "https://first.test", audiences: ["one"], jwks: .file(try file([forge.jwk(.rsa, kid: "k")])))
        let second = IssuerConfiguration(
            issuer: "https://second.test", audiences: ["two"], jwks: .file(try file([forge.jwk(.strangerRSA, kid: "k")])))
        let validator = try TokenValidator(issuers: [first, second], client: HTTPClient(), now: { TokenForge.now })
        func token(_ issuer: String, _ audience: String, _ key: TokenForge.Key) throws -> String {
            try forge.token(header: ["kid": "k"], claims: ["iss": .string(issuer), "aud": .string(audience)], key: key)
        }
        #expect(try await validator.validate(token("https://first.test", "one", .rsa)).issuer == "https://first.test")
        #expect(try await validator.validate(token("https://second.test", "two", .strangerRSA)).issuer == "https://second.test")
        await #expect(throws: TokenError.badSignature) { try await validator.validate(token("https://first.test", "one", .strangerRSA)) }
        await #expect(throws: TokenError.wrongAudience) { try await validator.validate(token("https://first.test", "two", .rsa)) }
    }

    @Test func aKeyFileIsReadAgainWhenItChanges() async throws {
        let forge = try await TokenForge.shared.value
        let path = FileManager.default.temporaryDirectory.appending(path: "jwks-\(UUID().uuidString).json").path()
        let configuration = TokenForge.configuration { $0.jwks = .file(path) }
        let validator = try TokenValidator(issuers: [configuration], client: HTTPClient(), now: { TokenForge.now })
        let token = try forge.token()
        func publish(_ keys: [JSONValue]) throws { try Data(TokenForge.jwks(keys).utf8).write(to: URL(filePath: path), options: .atomic) }

        await #expect(throws: TokenError.keysUnavailable("there is no file '\(path)'")) { try await validator.validate(token) }
        try publish([forge.jwk(.rsa, kid: "rsa-1")])
        #expect(try await validator.validate(token) == Self.alice)
        try publish([forge.jwk(.rsa, kid: "rsa-2")])
        await #expect(throws: TokenError.unknownKey) { try await validator.validate(token) }
        try publish([forge.jwk(.strangerRSA, kid: "rsa-1")])
        await #expect(throws: TokenError.badSignature) { try await validator.validate(token) }
    }

    @Test func unusableKeysAreLeftOut() async throws {
        let forge = try await TokenForge.shared.value
        let good = try forge.jwk(.rsa, kid: "good")
        func with(_ base: JSONValue, _ changes: [String: JSONValue]) -> JSONValue {
            .object((base.objectValue ?? [:]).merging(changes) { $1 })
        }
        let ec = try forge.jwk(.ec, kid: "ec")
        // 1024 bits, the topmost and the lowest set.
        let small = Base64URL.encode([0x80] + [UInt8](repeating: 0x5A, count: 126) + [0x01])
        let keys = try await KeySet(
            jwks: Array(
                TokenForge.jwks([
                    good, with(good, ["kid": "enc", "use": "enc"]), with(good, ["kid": "ops", "key_ops": ["encrypt"]]),
                    with(good, ["kid": "hmac", "kty": "oct", "k": "AAAA", "alg": "HS256"]), with(good, ["kid": "es", "alg": "ES256"]),
                    with(good, ["kid": "twice"]), with(good, ["kid": "twice"]), with(good, ["kid": 7]), "junk",
                    ["kid": "small", "kty": "RSA", "n": .string(small), "e": "AQAB"],
                    with(ec, ["kid": "curve", "crv": "P-384"]), with(ec, ["kid": "off", "y": ec["x"] ?? .null]),
                    with(ec, ["kid": "zero", "x": "AAAA", "y": "AAAA"]),
                ]).utf8))
        #expect(keys["good"] != nil)
        for kid in ["enc", "ops", "hmac", "es", "twice", "7", "small", "curve", "off", "zero"] { #expect(keys[kid] == nil, "\(kid)") }
    }

    @Test(arguments: ["", "[]", "{}", #"{"keys":{}}"#, #"{"keys":[],"keys":[]}"#, "<html>"])
    func whatIsNoKeySetIsRefused(text: String) async {
        await #expect(throws: KeySet.Unusable.self) { try await KeySet(jwks: Array(text.utf8)) }
    }

    @Test func keySetsAreBounded() async throws {
        let forge = try await TokenForge.shared.value
        let many = try TokenForge.jwks((0...100).map { try forge.jwk(.ec, kid: "\($0)") })
        await #expect(throws: KeySet.Unusable.self) { try await KeySet(jwks: Array(many.utf8)) }
        let large = #"{"keys":[],"pad":"\#(String(repeating: "x", count: 256 << 10))"}"#
        await #expect(throws: KeySet.Unusable.self) { try await KeySet(jwks: Array(large.utf8)) }
    }
}
