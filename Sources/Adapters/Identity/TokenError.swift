// SPDX-License-Identifier: Apache-2.0

/// Why a token was refused. `description` is for clients and helps no forger; `reason` is for the server's log. Neither holds
/// any part of the token.
package enum TokenError: Error, Sendable, Hashable, CustomStringConvertible {
    case tooLarge
    /// Not three segments of base64url that hold two JSON objects and a signature.
    case malformed(String)
    /// A header parameter is missing, of the wrong type, or asks for what is not supported.
    case header(String)
    case algorithmNotAllowed
    case wrongType
    case unknownIssuer
    case unknownKey
    /// The key is meant for another algorithm or use.
    case keyMismatch
    case badSignature
    case wrongAudience
    case expired
    case notYetValid
    case lifetimeTooLong
    /// An ID, refresh or logout token where an access token belongs.
    case notAnAccessToken(String)
    /// Bound to a key (DPoP, mTLS) that a plain bearer request does not prove.
    case boundToKey
    /// A claim is missing or its value cannot be accepted.
    case claim(String)
    /// The issuer's keys could not be had.
    case keysUnavailable(String)

    package var description: String {
        switch self {
        case .expired: "The access token has expired."
        case .notYetValid: "The access token is not valid yet."
        case .wrongAudience: "The access token is not meant for this server."
        case .boundToKey: "The access token is bound to a key and cannot be used as a bearer token."
        case .keysUnavailable: "The access token cannot be checked now; try again shortly."
        case .tooLarge, .malformed, .header, .algorithmNotAllowed, .wrongType, .unknownIssuer, .unknownKey, .keyMismatch,
            .badSignature, .lifetimeTooLong, .notAnAccessToken, .claim:
            "The access token is not valid."
        }
    }

    /// For the log.
    package var reason: String {
        switch self {
        case .tooLarge: "larger than \(CompactToken.maximumBytes) bytes"
        case .malformed(let what): "malformed: \(what)"
        case .header(let what): "header: \(what)"
        case .algorithmNotAllowed: "algorithm not allowed for its issuer"
        case .wrongType: "type (typ) not accepted for its issuer"
        case .unknownIssuer: "issuer not trusted"
        case .unknownKey: "its issuer publishes no such key"
        case .keyMismatch: "its key is not for this algorithm"
        case .badSignature: "signature does not verify"
        case .wrongAudience: "meant for another audience"
        case .expired: "expired"
        case .notYetValid: "not valid yet (nbf or iat lies ahead)"
        case .lifetimeTooLong: "lives longer than its issuer's tokens may"
        case .notAnAccessToken(let what): "not an access token: \(what)"
        case .boundToKey: "bound to a key (cnf)"
        case .claim(let what): "claim: \(what)"
        case .keysUnavailable(let why): "keys of its issuer cannot be had: \(why)"
        }
    }
}
