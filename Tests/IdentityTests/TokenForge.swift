// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import HTTPClient
import JWTKit
import TestSupport
import WorkflowModel

@testable import Identity

/// An issuer whose every byte a test decides: good tokens, and bad ones of any kind.
struct TokenForge: Sendable {
    enum Key: String, Sendable {
        /// Published as `rsa-1`, for RS256.
        case rsa
        /// Published as `ec-1`.
        case ec
        /// Never published.
        case strangerRSA, strangerEC
        /// Published with `use: enc` as `enc-1`.
        case encryption
    }

    struct Failure: Error { var description: String }

    static let issuer = "https://issuer.test/realm"
    static let audience = "weft-api"
    static let now = Date(timeIntervalSince1970: 1_800_000_000)

    let rsaPEM: [Key: String]
    let ecKeys: [Key: ES256PrivateKey]
    let algorithms: [Key: [String: any JWTAlgorithm]]

    /// RSA keys take a while: every test uses the same.
    static let shared = Task { try await TokenForge() }

    private init() async throws {
        var (pem, algorithms): ([Key: String], [Key: [String: any JWTAlgorithm]]) = ([:], [:])
        for key in [Key.rsa, .strangerRSA, .encryption] {
            pem[key] = try await Self.openssl(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
            let rsa = try Insecure.RSA.PrivateKey(pem: pem[key] ?? "")
            algorithms[key] = [
                "RS256": try await JWTKeyCollection().add(rsa: rsa, digestAlgorithm: .sha256).getKey(),
                "RS512": try await JWTKeyCollection().add(rsa: rsa, digestAlgorithm: .sha512).getKey(),
                "PS256": try await JWTKeyCollection().add(pss: rsa, digestAlgorithm: .sha256).getKey(),
            ]
        }
        ecKeys = [.ec: ES256PrivateKey(), .strangerEC: ES256PrivateKey()]
        for (key, ec) in ecKeys {
            algorithms[key] = ["ES256": try await JWTKeyCollection().add(ecdsa: ec).getKey()]
        }
        (rsaPEM, self.algorithms) = (pem, algorithms)
    }

    private static func openssl(_ arguments: [String]) async throws -> String {
        let made = try await Program.run("/usr/bin/openssl", arguments)
        guard made.status == 0 else { throw Failure(description: "openssl \(arguments): \(made)") }
        return made.output
    }

    // MARK: Keys

    /// Modulus and exponent of a public RSA key.
    func primitives(_ key: Key) throws -> (modulus: [UInt8], exponent: [UInt8]) {
        let primitives = try Insecure.RSA.PrivateKey(pem: rsaPEM[key] ?? "").publicKey.getKeyPrimitives()
        return (Array(primitives.modulus), Array(primitives.publicExponent))
    }

    /// The public key as anybody can have it.
    func publicPEM(_ key: Key) throws -> String {
        try Insecure.RSA.PrivateKey(pem: rsaPEM[key] ?? "").publicKey.pemRepresentation
    }

    func jwk(_ key: Key, kid: String) throws -> JSONValue {
        if let ec = ecKeys[key] {
            let point = try P256.Signing.PublicKey(pemRepresentation: ec.publicKey.pemRepresentation).rawRepresentation
            return [
                "kty": "EC", "crv": "P-256", "kid": .string(kid), "use": "sig", "alg": "ES256",
                "x": .string(Base64URL.encode(point.prefix(32))), "y": .string(Base64URL.encode(point.suffix(32))),
            ]
        }
        let (modulus, exponent) = try primitives(key)
        return [
            "kty": "RSA", "kid": .string(kid), "use": key == .encryption ? "enc" : "sig", "alg": "RS256",
            "n": .string(Base64URL.encode(modulus)), "e": .string(Base64URL.encode(exponent)),
        ]
    }

    /// The document an issuer with these keys publishes.
    static func jwks(_ keys: [JSONValue]) throws -> String {
        String(decoding: try WireJSON.encode(JSONValue.object(["keys": .array(keys)])), as: UTF8.self)
    }

    func jwks() throws -> String {
        try Self.jwks([jwk(.rsa, kid: "rsa-1"), jwk(.ec, kid: "ec-1"), jwk(.encryption, kid: "enc-1")])
    }

    // MARK: Tokens

    static let goodHeader: [String: JSONValue] = ["alg": "RS256", "typ": "at+jwt", "kid": "rsa-1"]

    static let goodClaims: [String: JSONValue] = [
        "iss": .string(issuer), "sub": "alice", "aud": .string(audience), "iat": 1_799_999_990, "nbf": 1_799_999_990,
        "exp": 1_800_000_290, "jti": "1", "client_id": "cli", "scope": "weft.read weft.submit",
    ]

    /// A token signed with `key`: the good one with other or further header parameters and claims, or without some.
    func token(
        header: [String: JSONValue] = [:], claims: [String: JSONValue] = [:], without: String? = nil, key: Key = .rsa,
        algorithm: String? = nil
    ) throws -> String {
        try token(
            headerText: Self.text(Self.goodHeader.merging(header) { $1 }.filter { $0.key != without }),
            claimsText: Self.text(Self.goodClaims.merging(claims) { $1 }.filter { $0.key != without }), key: key, algorithm: algorithm)
    }

    /// A token of these very texts.
    func token(headerText: String, claimsText: String, key: Key = .rsa, algorithm: String? = nil) throws -> String {
        try token(header: Array(headerText.utf8), claims: Array(claimsText.utf8), key: key, algorithm: algorithm)
    }

    func token(header: [UInt8], claims: [UInt8], key: Key = .rsa, algorithm: String? = nil) throws -> String {
        let signed = Base64URL.encode(header) + "." + Base64URL.encode(claims)
        return try signed + "." + Base64URL.encode(sign(signed, key, algorithm))
    }

    func sign(_ text: String, _ key: Key = .rsa, _ algorithm: String? = nil) throws -> [UInt8] {
        let name = algorithm ?? (ecKeys[key] == nil ? "RS256" : "ES256")
        guard let signer = algorithms[key]?[name] else { throw Failure(description: "\(key) cannot sign with \(name)") }
        return try signer.sign(Array(text.utf8))
    }

    static func text(_ fields: [String: JSONValue]) throws -> String {
        String(decoding: try WireJSON.encode(JSONValue.object(fields)), as: UTF8.self)
    }

    // MARK: Validators

    static func configuration(_ change: (inout IssuerConfiguration) -> Void = { _ in }) -> IssuerConfiguration {
        var configuration = IssuerConfiguration(issuer: issuer, audiences: [audience, "second-audience"])
        change(&configuration)
        return configuration
    }

    /// A validator that knows this issuer by a key file, at `now`.
    func validator(_ change: (inout IssuerConfiguration) -> Void = { _ in }) throws -> TokenValidator {
        let path = FileManager.default.temporaryDirectory.appending(path: "jwks-\(UUID().uuidString).json").path()
        try Data(jwks().utf8).write(to: URL(filePath: path))
        let configuration = Self.configuration {
            $0.jwks = .file(path)
            change(&$0)
        }
        return try TokenValidator(issuers: [configuration], client: HTTPClient(), now: { Self.now })
    }
}
