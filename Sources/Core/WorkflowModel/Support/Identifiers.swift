// SPDX-License-Identifier: Apache-2.0

/// Identifies a run: `run_` and 26 characters of Crockford's base 32, which hold a UUIDv7, so ids sort by time of creation.
package struct RunID: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The 128 bits of the UUIDv7, big-endian.
    package let bytes: [UInt8]

    private static let prefix = "run_"
    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    /// - Parameters:
    ///   - milliseconds: since 1970.
    ///   - random: at least 10 random bytes.
    package init(milliseconds: UInt64, random: some Collection<UInt8>) {
        precondition(random.count >= 10, "a run id needs ten random bytes")
        var bytes = (0..<6).map { UInt8(truncatingIfNeeded: milliseconds >> (40 - 8 * UInt64($0))) }
        bytes += random.prefix(10)
        bytes[6] = bytes[6] & 0x0F | 0x70
        bytes[8] = bytes[8] & 0x3F | 0x80
        self.bytes = bytes
    }

    package init?(_ text: String) {
        guard text.hasPrefix(Self.prefix) else { return nil }
        let digits = Array(text.utf8.dropFirst(Self.prefix.utf8.count))
        guard digits.count == 26, let first = Self.alphabet.firstIndex(of: digits[0]), first < 8 else { return nil }
        var value: UInt128 = 0
        for digit in digits {
            guard let index = Self.alphabet.firstIndex(of: digit) else { return nil }
            value = value << 5 | UInt128(index)
        }
        bytes = (0..<16).map { UInt8(truncatingIfNeeded: value >> (120 - 8 * UInt128($0))) }
    }

    package init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    package var description: String {
        let value = bytes.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        let digits = (0..<26).map { Self.alphabet[Int(truncatingIfNeeded: value >> (125 - 5 * UInt128($0)) & 31)] }
        return Self.prefix + String(decoding: digits, as: UTF8.self)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let id = RunID(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a run id (run_…)")
        }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Identifies one datum inside an attempt: who produced it, and its number in that producer's order.
///
/// Packed into 63 bits so that it fits a signed database integer: one zero bit, one bit for "input of the run",
/// 14 bits of PE instance, 48 bits of sequence.
package struct DatumID: Sendable, Hashable {
    package let rawValue: UInt64

    package static let maximumInstances = 1 << 14
    private static let inputBit: UInt64 = 1 << 62
    private static let sequenceMask: UInt64 = 1 << 48 - 1

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The `sequence`-th datum that PE instance `instance` wrote.
    package init(instance: Int, sequence: UInt64) {
        rawValue = UInt64(instance) << 48 | sequence & Self.sequenceMask
    }

    /// The `sequence`-th item given to source instance `instance` as input of the run.
    package init(inputOf instance: Int, sequence: UInt64) {
        rawValue = Self.inputBit | UInt64(instance) << 48 | sequence & Self.sequenceMask
    }

    package var isRunInput: Bool { rawValue & Self.inputBit != 0 }
    package var instance: Int { Int(rawValue >> 48) & (Self.maximumInstances - 1) }
    package var sequence: UInt64 { rawValue & Self.sequenceMask }
}

extension DatumID: CustomStringConvertible {
    /// `7.42`, or `in7.42` for an input of the run.
    package var description: String { "\(isRunInput ? "in" : "")\(instance).\(sequence)" }

    package init?(_ text: some StringProtocol) {
        let isInput = text.hasPrefix("in")
        let parts = text.dropFirst(isInput ? 2 : 0).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let instance = Int(parts[0]), let sequence = UInt64(parts[1]),
            (0..<Self.maximumInstances).contains(instance), sequence <= Self.sequenceMask
        else { return nil }
        self = isInput ? DatumID(inputOf: instance, sequence: sequence) : DatumID(instance: instance, sequence: sequence)
    }
}

/// A datum named from outside its run: `run_….1.7.42` (run, attempt, datum).
package struct DatumReference: Sendable, Hashable, Codable, CustomStringConvertible {
    package var run: RunID
    package var attempt: Int
    package var datum: DatumID

    package init(run: RunID, attempt: Int, datum: DatumID) {
        self.run = run
        self.attempt = attempt
        self.datum = datum
    }

    package init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let run = RunID(String(parts[0])), let attempt = Int(parts[1]), attempt > 0,
            let datum = DatumID(parts[2])
        else { return nil }
        self.init(run: run, attempt: attempt, datum: datum)
    }

    package var description: String { "\(run).\(attempt).\(datum)" }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let reference = DatumReference(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a datum id (run_….1.7.42)")
        }
        self = reference
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
