// SPDX-License-Identifier: Apache-2.0

/// Takes out of a text what looks like a credential: JWTs, and whatever follows `Bearer`.
enum SecretRedaction {
    static let replacement = "[redacted]"

    static func redacted(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var kept: [UInt8] = []
        var position = 0
        var found = false
        while position < bytes.count {
            if let secret = jwt(bytes, at: position) ?? bearer(bytes, at: position) {
                kept += bytes[position..<secret.lowerBound]
                kept += replacement.utf8
                position = secret.upperBound
                found = true
            } else {
                kept.append(bytes[position])
                position += 1
            }
        }
        return found ? String(decoding: kept, as: UTF8.self) : text
    }

    /// `eyJ` is how `{"` begins in base 64; a point after it makes it a token, signed or encrypted.
    private static func jwt(_ bytes: [UInt8], at start: Int) -> Range<Int>? {
        guard bytes[start...].starts(with: "eyJ".utf8) else { return nil }
        let end = bytes[start...].firstIndex { !isTokenCharacter($0) } ?? bytes.count
        return bytes[start..<end].contains(UInt8(ascii: ".")) ? start..<end : nil
    }

    private static func bearer(_ bytes: [UInt8], at start: Int) -> Range<Int>? {
        let scheme = Array("bearer".utf8)
        guard start + scheme.count < bytes.count,
            zip(bytes[start...], scheme).allSatisfy({ $0 | 0x20 == $1 }),
            let token = bytes[(start + scheme.count)...].firstIndex(where: { $0 != 0x20 && $0 != 0x09 }),
            token > start + scheme.count
        else { return nil }
        let end = bytes[token...].firstIndex { !isTokenCharacter($0) } ?? bytes.count
        return end > token ? token..<end : nil
    }

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
