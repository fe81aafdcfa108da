// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import HTTPClient
import Testing
import WorkflowModel

@testable import Identity

/// One token that must be refused, and why.
struct Attack: Sendable, CustomTestStringConvertible {
    /// Of the list in the test plan.
    var group: Int
    var name: String
    /// How `TokenError.reason` begins.
    var reason: String
    var configure: @Sendable (inout IssuerConfiguration) -> Void = { _ in }
    var make: @Sendable (TokenForge) throws -> String

    init(
        _ group: Int, _ name: String, _ reason: String, configure: @escaping @Sendable (inout IssuerConfiguration) -> Void = { _ in },
        _ make: @escaping @Sendable (TokenForge) throws -> String
    ) {
        (self.group, self.name, self.reason, self.configure, self.make) = (group, name, reason, configure, make)
    }

    var testDescription: String { "\(group) \(name)" }

    static func header(_ group: Int, _ field: String, _ reason: String, _ values: [JSONValue]) -> [Attack] {
        values.map { value in Attack(group, "\(field) \(shown(value))", reason) { try $0.token(header: [field: value]) } }
    }

    static func claim(_ group: Int, _ field: String, _ reason: String, _ values: [JSONValue]) -> [Attack] {
        values.map { value in Attack(group, "\(field) \(shown(value))", reason) { try $0.token(claims: [field: value]) } }
    }

    private static func shown(_ value: JSONValue) -> String { String("\(value)".prefix(40)) }
}

@Suite struct AttackTests {
    static let now = Int64(TokenForge.now.timeIntervalSince1970)

    static let none: [Attack] =
        ["none", "None", "NONE", "nOnE", ""].flatMap { name in
            [
                Attack(1, "alg '\(name)' without signature", "malformed") {
                    try $0.token(header: ["alg": .string(name)]).split(separator: ".").prefix(2).joined(separator: ".") + "."
                },
                Attack(1, "alg '\(name)' with the signature kept", "algorithm not allowed") {
                    try $0.token(header: ["alg": .string(name)])
                },
            ]
        } + [Attack(1, "no alg", "header: 'alg'") { try $0.token(without: "alg") }]
        + Attack.header(1, "alg", "header: 'alg'", [.null, 1, ["RS256"], [:], true])

    static let segments: [Attack] = [
        Attack(2, "signature stripped", "malformed") { try $0.token().split(separator: ".").prefix(2).joined(separator: ".") + "." },
        Attack(2, "two segments", "malformed") { try $0.token().split(separator: ".").prefix(2).joined(separator: ".") },
        Attack(2, "four segments", "malformed") { try $0.token() + ".AAAA" },
        Attack(2, "trailing dot", "malformed") { try $0.token() + "." },
        Attack(2, "leading dot", "malformed") { try "." + $0.token() },
        Attack(2, "empty", "malformed") { _ in "" },
        Attack(2, "dots", "malformed") { _ in ".." },
    ]

    static let hmac: [Attack] = {
        let secrets: [(String, @Sendable (TokenForge) throws -> [UInt8])] = [
            ("PEM", { Array(try $0.publicPEM(.rsa).utf8) }),
            ("PEM without line end", { Array(try $0.publicPEM(.rsa).dropLast(1).utf8) }),
            ("JWK", { Array(try WireJSON.encode($0.jwk(.rsa, kid: "rsa-1"))) }),
            ("modulus", { try $0.primitives(.rsa).modulus }),
            ("nothing", { _ in [] }),
        ]
        return secrets.map { name, secret in
            Attack(3, "HS256 keyed with \(name)", "algorithm not allowed") { forge in
                let signed = try forge.token(header: ["alg": "HS256"]).split(separator: ".").prefix(2).joined(separator: ".")
                let code = HMAC<SHA256>.authenticationCode(for: Array(signed.utf8), using: SymmetricKey(data: try secret(forge)))
                return signed + "." + Base64URL.encode(code)
            }
        }
    }()

    static let otherKeys: [Attack] = [
        Attack(4, "another RSA key under a known kid", "signature does not verify") { try $0.token(key: .strangerRSA) },
        Attack(4, "another EC key under a known kid", "signature does not verify") {
            try $0.token(header: ["alg": "ES256", "kid": "ec-1"], key: .strangerEC)
        },
        Attack(4, "changed claims", "signature does not verify") { forge in
            let parts = try forge.token().split(separator: ".")
            let other = try forge.token(claims: ["sub": "root"]).split(separator: ".")
            return "\(parts[0]).\(other[1]).\(parts[2])"
        },
        Attack(4, "changed header", "signature does not verify") { forge in
            let parts = try forge.token().split(separator: ".")
            let other = try forge.token(header: ["extra": 1]).split(separator: ".")
            return "\(other[0]).\(parts[1]).\(parts[2])"
        },
    ]

    static let algorithms: [Attack] = [
        Attack(5, "RS512 not allowed", "algorithm not allowed") { try $0.token(header: ["alg": "RS512"], algorithm: "RS512") },
        Attack(5, "RS512 with a key for RS256", "its key is not for this", configure: { $0.algorithms = SigningAlgorithm.allCases }) {
            try $0.token(header: ["alg": "RS512"], algorithm: "RS512")
        },
        Attack(5, "PS256 with a key for RS256", "its key is not for this", configure: { $0.algorithms = [.rs256, .ps256] }) {
            try $0.token(header: ["alg": "PS256"], algorithm: "PS256")
        },
        Attack(5, "EdDSA", "algorithm not allowed") { try $0.token(header: ["alg": "EdDSA"]) },
        Attack(5, "lower case", "algorithm not allowed") { try $0.token(header: ["alg": "rs256"]) },
        Attack(5, "a key for encryption", "its issuer publishes no such key") {
            try $0.token(header: ["kid": "enc-1"], key: .encryption)
        },
        Attack(5, "ES256 under the kid of an RSA key", "its key is not for this") {
            try $0.token(header: ["alg": "ES256"], key: .ec)
        },
        Attack(5, "RS256 under the kid of an EC key", "its key is not for this") { try $0.token(header: ["kid": "ec-1"]) },
        Attack(5, "ES256 with r and s zero", "signature does not verify") {
            let signed = try $0.token(header: ["alg": "ES256", "kid": "ec-1"], key: .ec).split(separator: ".").prefix(2)
            return signed.joined(separator: ".") + "." + Base64URL.encode([UInt8](repeating: 0, count: 64))
        },
        Attack(5, "ES256 in DER", "signature does not verify") {
            let signed = try $0.token(header: ["alg": "ES256", "kid": "ec-1"], key: .ec).split(separator: ".").prefix(2)
                .joined(separator: ".")
            let raw = try $0.sign(signed, .ec)
            let der = try P256.Signing.ECDSASignature(rawRepresentation: raw).derRepresentation
            return signed + "." + Base64URL.encode(der)
        },
    ]

    static let embeddedKeys: [Attack] = ["evil-1", "rsa-1"].flatMap { kid in
        let reason = kid == "rsa-1" ? "signature does not verify" : "its issuer publishes no such key"
        return [
            Attack(6, "jwk in the header, kid \(kid)", reason) {
                try $0.token(header: ["kid": .string(kid), "jwk": $0.jwk(.strangerRSA, kid: kid)], key: .strangerRSA)
            },
            Attack(6, "x5c junk, kid \(kid)", reason) {
                try $0.token(header: ["kid": .string(kid), "x5c": ["AAAA", 1]], key: .strangerRSA)
            },
        ]
    }

    static let keyIDs: [Attack] =
        Attack.header(
            7, "kid", "its issuer publishes no such key",
            ["../../../../dev/null", "' OR 1=1 --", "rsa-1 ", "RSA-1", "/etc/passwd", "keys", "__proto__"])
        + Attack.header(
            7, "kid", "header: 'kid'",
            ["rsa-1\0", "", .string(String(repeating: "k", count: 5000)), 1, .null, ["rsa-1"], ["kid": "rsa-1"], true, "schlüssel"])
        + [Attack(7, "no kid", "header: 'kid'") { try $0.token(without: "kid") }]

    static let headers: [Attack] =
        Attack.header(8, "crit", "header: 'crit'", [["exp"], [], ["b64"], "exp", .null])
        + Attack.header(8, "b64", "header: 'b64'", [false, true]) + Attack.header(8, "zip", "header: 'zip'", ["DEF"])
        + Attack.header(8, "cty", "header: 'cty'", ["JWT"]) + Attack.header(8, "typ", "header: 'typ'", [1, .null, ["at+jwt"]])
        + [
            Attack(8, "alg twice", "malformed: the header") {
                try $0.token(
                    headerText: #"{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"rsa-1"}"#,
                    claimsText: TokenForge.text(TokenForge.goodClaims))
            },
            Attack(8, "alg twice, once escaped", "malformed: the header") {
                try $0.token(
                    headerText: #"{"\u0061lg":"none","alg":"RS256","typ":"at+jwt","kid":"rsa-1"}"#,
                    claimsText: TokenForge.text(TokenForge.goodClaims))
            },
        ]
        + ["[]", "null", "\"RS256\"", "", "{", "{\"alg\":\"RS256\"} x", "\u{FEFF}{}", "{'alg':'RS256'}"].map { text in
            Attack(8, "header \(text)", "malformed") { try $0.token(headerText: text, claimsText: TokenForge.text(TokenForge.goodClaims)) }
        }

    static let times: [Attack] =
        Attack.claim(9, "exp", "expired", [.integer(now), .integer(now - 1), .integer(now - 30), .integer(now - 3600), 1])
        + Attack.claim(
            9, "exp", "claim: 'exp'", ["1800000290", .null, -1, 0, [1_800_000_290], [:], true, .number(0x1p80), .number(1e300)])
        + [Attack(9, "no exp", "claim: 'exp'") { try $0.token(without: "exp") }]
        + ["1e400", "-1e400", "NaN", "Infinity", "1_800_000_290", "0x7fffffff", "+1800000290", "01800000290"].map { number in
            Attack(9, "exp \(number)", "malformed: the claims") {
                let claims = try TokenForge.text(TokenForge.goodClaims).replacing("1800000290", with: number)
                return try $0.token(headerText: TokenForge.text(TokenForge.goodHeader), claimsText: claims)
            }
        } + Attack.claim(9, "nbf", "not valid yet", [.integer(now + 61), .integer(now + 100)])
        + Attack.claim(9, "nbf", "claim: 'nbf'", ["1799999990", .null, [], false])
        + Attack.claim(9, "iat", "not valid yet", [.integer(now + 61)]) + Attack.claim(9, "iat", "claim: 'iat'", ["x", .null])
        + Attack.claim(9, "exp", "lives longer", [.integer(now + 10 * 365 * 86400), .integer(now - 10 + 6 * 3600 + 1)])
        + [
            Attack(9, "ten years without iat", "lives longer") {
                try $0.token(claims: ["exp": .integer(now + 10 * 365 * 86400)], without: "iat")
            }
        ]

    static let issuers: [Attack] =
        Attack.claim(
            10, "iss", "issuer not trusted",
            [
                "https://evil.test/realm", "https://issuer.test/realm/", "HTTPS://ISSUER.TEST/realm", "https://issuer.test/Realm", "",
                "https://issuer.test/realm#", " https://issuer.test/realm", .null, ["https://issuer.test/realm"], 1,
                "https://issuer.test@evil.test/realm", "https://issuer.test/realm\0", "https://issuer.test:443/realm",
            ]) + [Attack(10, "no iss", "issuer not trusted") { try $0.token(without: "iss") }]

    static let audiences: [Attack] =
        Attack.claim(
            11, "aud", "meant for another audience",
            ["other", "weft-api-2", "weft", "weft-api/", "WEFT-API", " weft-api", "", [], ["other", ""], "weft-api second-audience"])
        + Attack.claim(11, "aud", "claim: 'aud'", [.null, ["aud": "weft-api"], [["weft-api"]], 1, ["weft-api", 1], true])
        + [Attack(11, "no aud", "claim: 'aud'") { try $0.token(without: "aud") }]

    static let otherTokens: [Attack] =
        Attack.header(
            12, "typ", "type (typ) not accepted",
            ["JWT", "logout+jwt", "dpop+jwt", "id+jwt", "", "at+jwt ", "rt+jwt", "application/application/at+jwt", "secevent+jwt"])
        + [Attack(12, "no typ", "header: 'typ'") { try $0.token(without: "typ") }]
        + [
            ("ID token by nonce", ["nonce": "n"]), ("ID token by at_hash", ["at_hash": "h"]), ("ID token by c_hash", ["c_hash": "h"]),
            ("logout token", ["events": ["http://schemas.openid.net/event/backchannel-logout": [:]]]),
            ("Keycloak ID token", ["typ": "ID"]), ("Keycloak refresh token", ["typ": "Refresh"]),
            ("Keycloak offline token", ["typ": "Offline"]), ("Keycloak typ of another kind", ["typ": 1]),
            ("audience is the client", ["azp": "weft-api"]), ("audiences are the client", ["aud": ["weft-api"], "client_id": "weft-api"]),
        ].map { (name: String, claims: [String: JSONValue]) in
            Attack(12, name, "not an access token", configure: { $0.acceptedTypes = ["JWT"] }) {
                try $0.token(header: ["typ": "JWT"], claims: claims)
            }
        } + Attack.claim(12, "cnf", "bound to a key", [["jkt": "x"], [:], .null])

    static let subjects: [Attack] =
        Attack.claim(
            13, "sub", "claim: 'sub'",
            ["", .null, 1, ["alice"], .string(String(repeating: "s", count: 300)), "alice\nroot", "alice\0", "älice", "a\u{7F}", "\u{1F}"])
        + [Attack(13, "no sub", "claim: 'sub'") { try $0.token(without: "sub") }]

    static let profiles: [Attack] =
        Attack.claim(14, "wlcg.ver", "claim: 'wlcg.ver'", ["2.0", "1", "1.", ".0", "1.0.0", 1, .null, "01.0", "1.x", "0.9"])
        + Attack.claim(14, "scope", "claim: the scopes", [1, ["weft.read": true], ["weft.read", 1], true, .null])

    static let payloads: [Attack] =
        [
            (#"{"aud":"other","#, "aud twice"), (#"{"sub":"root","#, "sub twice"), (#"{"s\u0075b":"root","#, "sub twice, once escaped"),
        ].map { (start: String, name: String) in
            Attack(15, name, "malformed: the claims") {
                try $0.token(
                    headerText: TokenForge.text(TokenForge.goodHeader),
                    claimsText: start + TokenForge.text(TokenForge.goodClaims).dropFirst())
            }
        }
        + ["[]", "\"x\"", "", "null", "1", String(repeating: "[", count: 6000), "{\"a\":" + String(repeating: "[", count: 40)].map { text in
            Attack(15, "claims \(text.prefix(20))", "malformed: the claims") {
                try $0.token(headerText: TokenForge.text(TokenForge.goodHeader), claimsText: text)
            }
        } + [
            Attack(15, "nested 5000 deep", "malformed: the claims") {
                let deep = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
                let claims = try TokenForge.text(TokenForge.goodClaims).dropLast() + ",\"a\":\(deep)}"
                return try $0.token(headerText: TokenForge.text(TokenForge.goodHeader), claimsText: String(claims))
            },
            Attack(15, "invalid UTF-8", "malformed: the claims") {
                let claims = Array(try TokenForge.text(TokenForge.goodClaims).utf8).map { $0 == UInt8(ascii: "a") ? 0xFF : $0 }
                return try $0.token(header: Array(try TokenForge.text(TokenForge.goodHeader).utf8), claims: claims)
            },
            Attack(15, "lone surrogate", "malformed: the claims") {
                let claims = try TokenForge.text(TokenForge.goodClaims).replacing("alice", with: "\\ud800")
                return try $0.token(headerText: TokenForge.text(TokenForge.goodHeader), claimsText: claims)
            },
        ]

    static let otherForms: [Attack] = [
        Attack(16, "JWE", "malformed: not three") { _ in "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AAAA.AAAA.AAAA.AAAA" },
        Attack(16, "PBES2 with many rounds", "header: 'enc'") {
            try $0.token(header: ["alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2s": "AAAA", "p2c": 2_147_483_647])
        },
        Attack(16, "JSON serialisation", "malformed") {
            let parts = try $0.token().split(separator: ".")
            return #"{"protected":"\#(parts[0])","payload":"\#(parts[1])","signature":"\#(parts[2])"}"#
        },
    ]

    static let encodings: [Attack] = [
        Attack(17, "padding", "malformed") { try $0.token() + "==" },
        Attack(17, "the other alphabet", "malformed") { forge in
            // Some of these signatures hold a character that differs between the alphabets.
            for id in 0..<1000 {
                let token = try forge.token(claims: ["jti": .integer(Int64(id))])
                let other = token.replacing("-", with: "+").replacing("_", with: "/")
                if other != token { return other }
            }
            throw TokenForge.Failure(description: "no token to change")
        },
        Attack(17, "space inside", "malformed") { try $0.token().replacing(".", with: ". ", maxReplacements: 1) },
        Attack(17, "line end behind", "malformed") { try $0.token() + "\n" },
        Attack(17, "unused bits set", "malformed") { forge in
            // 256 bytes of RS256 leave four unused bits in the last digit, which then is one of A, Q, g, w.
            let token = try forge.token()
            let next: [Character: Character] = ["A": "B", "Q": "R", "g": "h", "w": "x"]
            return String(token.dropLast()) + String(token.last.flatMap { next[$0] } ?? "?")
        },
        Attack(17, "100 KB", "larger than") { try $0.token(claims: ["pad": .string(String(repeating: "x", count: 100_000))]) },
        Attack(17, "1 MB", "larger than") { _ in String(repeating: "eyJ.", count: 250_000) },
    ]

    static let all =
        none + segments + hmac + otherKeys + algorithms + embeddedKeys + keyIDs + headers + times + issuers + audiences + otherTokens
        + subjects + profiles + payloads + otherForms + encodings

    @Test(arguments: all) func isRefused(attack: Attack) async throws {
        let forge = try await TokenForge.shared.value
        let token = try attack.make(forge)
        let validator = try forge.validator(attack.configure)
        let error = await #expect(throws: TokenError.self) { try await validator.validate(token) }
        #expect(error?.reason.hasPrefix(attack.reason) == true, "refused for another reason: \(error?.reason ?? "accepted")")
        // Whatever is told, to the client or to the log, must not hold a piece of the token.
        let told = "\(error?.description ?? "")\(error?.reason ?? "")"
        for piece in token.split(separator: ".") where piece.count > 8 { #expect(!told.contains(piece)) }
    }

    @Test func everyGroupIsThere() {
        #expect(Set(Self.all.map(\.group)) == Set(1...17))
        #expect(Self.all.count > 200)
    }

    @Test func keysNamedByTheTokenAreNeverFetched() async throws {
        let forge = try await TokenForge.shared.value
        let keys = try TokenForge.jwks([forge.jwk(.strangerRSA, kid: "evil-1"), forge.jwk(.strangerRSA, kid: "rsa-1")])
        let server = try LoopbackServer { _, connection in connection.respond(body: keys) }
        let validator = try forge.validator()
        for kid in ["evil-1", "rsa-1"] {
            for parameter in ["jku", "x5u"] {
                let token = try forge.token(
                    header: ["kid": .string(kid), parameter: .string(server.url + "/keys")], key: .strangerRSA)
                await #expect(throws: TokenError.self) { try await validator.validate(token) }
            }
        }
        #expect(server.hits("/keys") == 0)
    }

    @Test func refusalsAreFast() async throws {
        let forge = try await TokenForge.shared.value
        let validator = try forge.validator()
        let tokens = try Self.all.filter { $0.group != 17 }.prefix(100).map { try $0.make(forge) }
        let started = ContinuousClock.now
        for token in tokens { await #expect(throws: TokenError.self) { try await validator.validate(token) } }
        #expect((ContinuousClock.now - started) / tokens.count < .milliseconds(5))
    }
}
