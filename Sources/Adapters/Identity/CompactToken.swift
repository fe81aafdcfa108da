// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// A signed JWT in compact form, taken apart and read strictly. Nothing in it is trusted yet.
struct CompactToken {
    static let maximumBytes = 16 << 10

    let algorithm: String
    let keyID: String
    /// In lower case and without `application/`.
    let type: String
    let claims: [String: JSONValue]
    let signedPart: [UInt8]
    let signature: [UInt8]

    init(_ token: String) throws(TokenError) {
        let bytes = Array(token.utf8)
        guard bytes.count <= Self.maximumBytes else { throw .tooLarge }
        let segments = bytes.split(separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
        guard segments.count == 3 else { throw .malformed("not three segments") }
        guard let headerBytes = Base64URL.decode(segments[0]), let payload = Base64URL.decode(segments[1]),
            let signature = Base64URL.decode(segments[2]), !signature.isEmpty
        else { throw .malformed("a segment is not base64url, or the signature is empty") }
        guard case .object(let header)? = StrictJSON.parse(headerBytes) else { throw .malformed("the header is not a JSON object") }
        // jwk, jku, x5u and x5c may be there: keys come from the issuer alone, so they are never looked at.
        for parameter in ["crit", "b64", "zip", "enc", "cty"] where header[parameter] != nil {
            throw .header("'\(parameter)' is not supported")
        }
        guard case .string(let algorithm)? = header["alg"] else { throw .header("'alg' is not a string") }
        guard case .string(let keyID)? = header["kid"], (1...256).contains(keyID.utf8.count),
            keyID.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else { throw .header("'kid' is not a string of 1 to 256 printable ASCII characters") }
        guard case .string(let type)? = header["typ"] else { throw .header("'typ' is not a string") }
        guard case .object(let claims)? = StrictJSON.parse(payload) else { throw .malformed("the claims are not a JSON object") }
        self.algorithm = algorithm
        self.keyID = keyID
        self.type = Self.mediaType(type)
        self.claims = claims
        self.signature = signature
        signedPart = Array(bytes[..<segments[1].endIndex])
    }

    /// RFC 7515, 4.1.9: `application/` may be left out, and media types compare without case.
    static func mediaType(_ type: String) -> String {
        let type = type.lowercased()
        return type.hasPrefix("application/") ? String(type.dropFirst("application/".count)) : type
    }
}
