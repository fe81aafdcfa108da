// SPDX-License-Identifier: Apache-2.0

import JWTKit
import WorkflowModel

/// The usable public keys of a JWKS document, by key id.
struct KeySet: Sendable {
    static let maximumBytes = 256 << 10
    static let maximumKeys = 100

    struct Unusable: Error, CustomStringConvertible {
        var description: String
    }

    private var keys: [String: VerificationKey] = [:]

    subscript(keyID: String) -> VerificationKey? { keys[keyID] }

    /// Keys that cannot verify tokens (symmetric, private, for encryption, too short, of other curves, without an id) are left
    /// out; a key id that occurs twice counts for neither.
    init(jwks bytes: [UInt8]) async throws(Unusable) {
        guard bytes.count <= Self.maximumBytes else { throw Unusable(description: "the key set is larger than \(Self.maximumBytes) bytes") }
        guard let document = StrictJSON.parse(bytes), case .array(let entries)? = document["keys"] else {
            throw Unusable(description: "the key set is not a JSON object with an array 'keys'")
        }
        guard entries.count <= Self.maximumKeys else { throw Unusable(description: "the key set has more than \(Self.maximumKeys) keys") }
        var seen: Set<String> = []
        for entry in entries {
            guard let keyID = entry["kid"]?.stringValue else { continue }
            guard seen.insert(keyID).inserted else {
                keys[keyID] = nil
                continue
            }
            keys[keyID] = await VerificationKey(jwk: entry)
        }
    }
}

/// One public key, ready to verify with each algorithm it may be used for.
struct VerificationKey: Sendable {
    private let verifiers: [SigningAlgorithm: any JWTAlgorithm]

    init?(jwk: JSONValue) async {
        if let use = jwk["use"], use != "sig" { return nil }
        if let operations = jwk["key_ops"] {
            guard case .array(let list) = operations, list.contains("verify") else { return nil }
        }
        var algorithms = SigningAlgorithm.allCases.filter { jwk["kty"]?.stringValue == $0.keyType }
        if let algorithm = jwk["alg"] { algorithms.removeAll { .string($0.rawValue) != algorithm } }
        var verifiers: [SigningAlgorithm: any JWTAlgorithm] = [:]
        for algorithm in algorithms {
            verifiers[algorithm] = try? await Self.verifier(for: algorithm, jwk)
        }
        if verifiers.isEmpty { return nil }
        self.verifiers = verifiers
    }

    func verify(_ signature: [UInt8], of signedPart: [UInt8], with algorithm: SigningAlgorithm) throws(TokenError) {
        guard let verifier = verifiers[algorithm] else { throw .keyMismatch }
        guard (try? verifier.verify(signature, signs: signedPart)) == true else { throw .badSignature }
    }

    /// jwt-kit refuses RSA keys under 2048 bits and points that are not on the curve.
    private static func verifier(for algorithm: SigningAlgorithm, _ jwk: JSONValue) async throws -> (any JWTAlgorithm)? {
        func number(_ name: String) -> String? {
            jwk[name]?.stringValue.flatMap { Base64URL.decode($0.utf8) != nil ? $0 : nil }
        }
        let collection = JWTKeyCollection()
        switch algorithm {
        case .es256:
            guard jwk["crv"] == "P-256", let x = number("x"), let y = number("y") else { return nil }
            await collection.add(ecdsa: try ES256PublicKey(parameters: (x, y)))
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512:
            guard let modulus = number("n"), let exponent = number("e") else { return nil }
            let key = try Insecure.RSA.PublicKey(modulus: modulus, exponent: exponent)
            switch algorithm {
            case .rs256: await collection.add(rsa: key, digestAlgorithm: .sha256)
            case .rs384: await collection.add(rsa: key, digestAlgorithm: .sha384)
            case .rs512: await collection.add(rsa: key, digestAlgorithm: .sha512)
            case .ps256: await collection.add(pss: key, digestAlgorithm: .sha256)
            case .ps384: await collection.add(pss: key, digestAlgorithm: .sha384)
            case .ps512: await collection.add(pss: key, digestAlgorithm: .sha512)
            case .es256: return nil
            }
        }
        return try await collection.getKey()
    }
}
