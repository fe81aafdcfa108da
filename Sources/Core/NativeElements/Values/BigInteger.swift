// SPDX-License-Identifier: Apache-2.0

/// An integer of any size, to be passed on, compared and printed.
package struct BigInteger: Sendable, Hashable {
    /// Longer ones are refused where they are read: their decimal text takes time that grows with the square.
    package static let maximumBytes = 4096

    private var isNegative: Bool
    /// From the lowest on, the last one not 0.
    private var limbs: [UInt32]

    private init(isNegative: Bool, limbs: [UInt32]) {
        self.limbs = limbs
        while self.limbs.last == 0 { self.limbs.removeLast() }
        self.isNegative = isNegative && !self.limbs.isEmpty
    }

    package init(_ value: Int128) {
        var magnitude = value.magnitude
        var limbs: [UInt32] = []
        while magnitude != 0 {
            limbs.append(UInt32(truncatingIfNeeded: magnitude))
            magnitude >>= 32
        }
        self.init(isNegative: value < 0, limbs: limbs)
    }

    /// `nil` for a number with a fraction.
    init?(exactly value: Double) {
        guard value.isFinite, value == value.rounded(.towardZero) else { return nil }
        guard value != 0 else {
            self.init(0)
            return
        }
        let shift = Int(value.exponent) - Double.significandBitCount
        let significand = value.significandBitPattern | 1 << UInt64(Double.significandBitCount)
        if shift <= 0 {
            self.init(Int128(significand >> UInt64(-shift)) * (value < 0 ? -1 : 1))
        } else {
            var limbs = [UInt32](repeating: 0, count: shift / 32)
            var rest = UInt128(significand) << UInt128(shift % 32)
            while rest != 0 {
                limbs.append(UInt32(truncatingIfNeeded: rest))
                rest >>= 32
            }
            self.init(isNegative: value < 0, limbs: limbs)
        }
    }

    /// - Parameter bytes: two's complement, little-endian.
    init(twosComplement bytes: some Collection<UInt8>) {
        let isNegative = bytes.reversed().first.map { $0 & 0x80 != 0 } ?? false
        var limbs: [UInt32] = []
        limbs.reserveCapacity(bytes.count / 4 + 1)
        var carry: UInt32 = isNegative ? 1 : 0
        var position = 0
        for byte in bytes {
            let sum = UInt32(isNegative ? ~byte : byte) + carry
            carry = sum >> 8
            if position % 4 == 0 { limbs.append(0) }
            limbs[position / 4] |= (sum & 0xFF) << UInt32(8 * (position % 4))
            position += 1
        }
        if carry != 0 {
            if position % 4 == 0 { limbs.append(0) }
            limbs[position / 4] |= carry << UInt32(8 * (position % 4))
        }
        self.init(isNegative: isNegative, limbs: limbs)
    }

    /// - Parameter decimal: digits, perhaps after a minus.
    init?(decimal text: some StringProtocol) {
        let digits = text.utf8.drop { $0 == UInt8(ascii: "-") }
        guard !digits.isEmpty, text.utf8.count - digits.count <= 1, digits.count <= Self.maximumBytes * 2 else { return nil }
        var limbs: [UInt32] = []
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            var carry = UInt64(digit - UInt8(ascii: "0"))
            for index in limbs.indices {
                let product = UInt64(limbs[index]) * 10 + carry
                limbs[index] = UInt32(truncatingIfNeeded: product)
                carry = product >> 32
            }
            if carry != 0 { limbs.append(UInt32(carry)) }
        }
        self.init(isNegative: digits.count < text.utf8.count, limbs: limbs)
    }

    var byteCount: Int { 4 * limbs.count }

    var int64: Int64? {
        guard limbs.count <= 2 else { return nil }
        let magnitude = limbs.reversed().reduce(UInt64(0)) { $0 << 32 | UInt64($1) }
        return Int64(exactly: isNegative ? -Int128(magnitude) : Int128(magnitude))
    }

    /// The nearest one, or infinity. The lower limbs of a long number only break ties.
    package var double: Double {
        let top = limbs.suffix(3)
        var magnitude = top.reversed().reduce(UInt128(0)) { $0 << 32 | UInt128($1) }
        if limbs.dropLast(top.count).contains(where: { $0 != 0 }) { magnitude |= 1 }
        let scale = 32 * (limbs.count - top.count)
        return Double(sign: isNegative ? .minus : .plus, exponent: scale, significand: Double(magnitude))
    }

    /// Two's complement, little-endian, as short as can be.
    var twosComplement: [UInt8] {
        var bytes: [UInt8] = []
        for limb in limbs { Swift.withUnsafeBytes(of: limb.littleEndian) { bytes.append(contentsOf: $0) } }
        bytes.append(0)
        if isNegative {
            var carry = 1
            for index in bytes.indices {
                carry += Int(~bytes[index])
                bytes[index] = UInt8(truncatingIfNeeded: carry)
                carry >>= 8
            }
        }
        let padding: UInt8 = isNegative ? 0xFF : 0
        while bytes.count > 1, bytes[bytes.count - 1] == padding, (bytes[bytes.count - 2] ^ padding) < 0x80 {
            bytes.removeLast()
        }
        return bytes
    }

    /// As Python's `%x`.
    var hexadecimal: String {
        guard let last = limbs.last else { return "0" }
        var text = (isNegative ? "-" : "") + String(last, radix: 16)
        for limb in limbs.dropLast().reversed() {
            let digits = String(limb, radix: 16)
            text += String(repeating: "0", count: 8 - digits.count) + digits
        }
        return text
    }

    func compare(_ other: BigInteger) -> Order {
        guard isNegative == other.isNegative else { return isNegative ? .less : .greater }
        let (left, right) = isNegative ? (other.limbs, limbs) : (limbs, other.limbs)
        if left.count != right.count { return left.count < right.count ? .less : .greater }
        for (left, right) in zip(left.reversed(), right.reversed()) where left != right { return left < right ? .less : .greater }
        return .equal
    }
}

extension BigInteger: CustomStringConvertible {
    package var description: String {
        var rest = limbs
        var groups: [String] = []
        while !rest.isEmpty {
            var remainder: UInt64 = 0
            for index in rest.indices.reversed() {
                let value = remainder << 32 | UInt64(rest[index])
                rest[index] = UInt32(value / 1_000_000_000)
                remainder = value % 1_000_000_000
            }
            while rest.last == 0 { rest.removeLast() }
            let digits = String(remainder)
            groups.append(rest.isEmpty ? digits : String(repeating: "0", count: 9 - digits.count) + digits)
        }
        return (isNegative ? "-" : "") + (groups.isEmpty ? "0" : groups.reversed().joined())
    }
}
