// SPDX-License-Identifier: Apache-2.0

/// Signature algorithms a token may use: asymmetric ones only. `none` and HMAC cannot be named at all.
package enum SigningAlgorithm: String, Sendable, Codable, CaseIterable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"

    /// `kty` of the keys it works with.
    var keyType: String {
        switch self {
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: "RSA"
        case .es256: "EC"
        }
    }
}
