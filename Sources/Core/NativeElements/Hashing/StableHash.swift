// SPDX-License-Identifier: Apache-2.0

/// 64 bits of a key that are the same in every process, run and machine, and in Python (`weft.hashing`).
package enum StableHash {
    /// - Parameter key: the parts of the key.
    package static func hash(_ key: [Value]) -> UInt64 {
        var bytes: [UInt8] = []
        append(.tuple(key), to: &bytes)
        return BLAKE2b.hash(bytes)
    }

    private static func append(_ value: Value, to bytes: inout [UInt8]) {
        switch value {
        case .null: bytes.append(UInt8(ascii: "0"))
        case .bool(let value): bytes += value ? "n1/1;".utf8 : "n0/1;".utf8
        case .int(let value): bytes += "n\(String(value, radix: 16))/1;".utf8
        case .bigInt(let value): bytes += "n\(value.hexadecimal)/1;".utf8
        case .double(let value): append(real: value, to: &bytes)
        case .string(let text): append(tag: "s", text.utf8, to: &bytes)
        case .bytes(let content): append(tag: "b", content, to: &bytes)
        case .list(let items), .tuple(let items):
            var content: [UInt8] = []
            for item in items { append(item, to: &content) }
            append(tag: "t", content, to: &bytes)
        case .set(let items), .frozenSet(let items): append(tag: "e", sorted(items.map(canonical)), to: &bytes)
        case .map(let map): append(tag: "d", sorted(map.entries.map { canonical($0.key) + canonical($0.value) }), to: &bytes)
        }
    }

    private static func canonical(_ value: Value) -> [UInt8] {
        var bytes: [UInt8] = []
        append(value, to: &bytes)
        return bytes
    }

    private static func sorted(_ parts: [[UInt8]]) -> [UInt8] { Array(parts.sorted { $0.lexicographicallyPrecedes($1) }.joined()) }

    private static func append(tag: String, _ content: some Collection<UInt8>, to bytes: inout [UInt8]) {
        bytes += "\(tag)\(content.count):".utf8
        bytes += content
    }

    /// As a fraction in lowest terms, so that an integer has the same form whatever its type.
    private static func append(real value: Double, to bytes: inout [UInt8]) {
        guard value.isFinite else {
            bytes.append(UInt8(ascii: value.isNaN ? "N" : value > 0 ? "P" : "M"))
            return
        }
        if let integer = BigInteger(exactly: value) {
            bytes += "n\(integer.hexadecimal)/1;".utf8
            return
        }
        // Not an integer: the significand's lowest bit that is set lies behind the point, `shift` places of it.
        let significand = value.significandBitPattern | (value.isNormal ? 1 << UInt64(Double.significandBitCount) : 0)
        let exponent = value.isNormal ? Int(value.exponent) : Double.leastNormalMagnitude.exponent
        let zeros = significand.trailingZeroBitCount
        let shift = Double.significandBitCount - exponent - zeros
        let denominator = String(1 << (shift % 4), radix: 16) + String(repeating: "0", count: shift / 4)
        bytes += "n\(value < 0 ? "-" : "")\(String(significand >> UInt64(zeros), radix: 16))/\(denominator);".utf8
    }
}
