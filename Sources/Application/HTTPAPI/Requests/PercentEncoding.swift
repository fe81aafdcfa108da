// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Text in addresses (RFC 3986).
enum PercentEncoding {
    /// `nil` when the text is not percent-encoded UTF-8, or holds a NUL, which cannot be stored.
    static func decode(_ text: String) -> String? {
        text.removingPercentEncoding.flatMap { $0.utf8.contains(0) ? nil : $0 }
    }

    /// Encodes all but the unreserved characters.
    static func encode(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                String(UnicodeScalar(byte))
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }.joined()
    }
}
