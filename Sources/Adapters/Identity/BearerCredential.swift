// SPDX-License-Identifier: Apache-2.0

/// What the `Authorization` header fields of a request hold (RFC 6750, 2.1).
package enum BearerCredential: Sendable, Hashable {
    case absent
    /// Several fields, another scheme, or no token after `Bearer`: answered with 400 or 401.
    case malformed
    case token(String)

    /// - Parameter values: of every `Authorization` field.
    package static func parse(_ values: [String]) -> BearerCredential {
        guard let value = values.first else { return .absent }
        guard values.count == 1 else { return .malformed }
        let parts = value.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return .malformed }
        let token = parts[1].drop { $0 == " " }
        return !token.isEmpty && token.utf8.allSatisfy(isTokenCharacter) ? .token(String(token)) : .malformed
    }

    /// b64token
    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "+"), UInt8(ascii: "/"),
            UInt8(ascii: "="):
            true
        default: false
        }
    }
}
