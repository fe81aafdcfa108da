// SPDX-License-Identifier: Apache-2.0

/// Numbers that are the same in every test run (SplitMix64).
struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    mutating func bytes(atMost bound: Int) -> [UInt8] {
        (0..<Int.random(in: 0...bound, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    /// The bytes as a pipe may deliver them: some at once, some one by one.
    mutating func pieces(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var rest = bytes[...]
        var pieces: [ArraySlice<UInt8>] = []
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...(Bool.random(using: &self) ? 3 : 300), using: &self))
            pieces.append(piece)
            rest = rest[piece.endIndex...]
        }
        return pieces
    }
}
