// SPDX-License-Identifier: Apache-2.0

/// The hash function BLAKE2b (RFC 7693), unkeyed, of 64 bits.
enum BLAKE2b {
    private static let initial: [UInt64] = [
        0x6A09_E667_F3BC_C908, 0xBB67_AE85_84CA_A73B, 0x3C6E_F372_FE94_F82B, 0xA54F_F53A_5F1D_36F1,
        0x510E_527F_ADE6_82D1, 0x9B05_688C_2B3E_6C1F, 0x1F83_D9AB_FB41_BD6B, 0x5BE0_CD19_137E_2179,
    ]
    private static let permutations: [[Int]] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ]

    /// The digest's eight bytes as a little-endian number.
    static func hash(_ bytes: [UInt8]) -> UInt64 {
        var state = initial
        // Parameter block: 8 bytes of digest, no key, fanout and depth 1.
        state[0] ^= 0x0101_0008
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while bytes.count - offset > 128 {
                compress(&state, UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + 128]), counted: offset + 128, isLast: false)
                offset += 128
            }
            var block = [UInt8](bytes[offset...])
            block.append(contentsOf: repeatElement(0, count: 128 - block.count))
            block.withUnsafeBytes { compress(&state, $0, counted: bytes.count, isLast: true) }
        }
        return state[0]
    }

    private static func compress(_ state: inout [UInt64], _ block: UnsafeRawBufferPointer, counted: Int, isLast: Bool) {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 32) { words in
            let (v, m) = (UnsafeMutableBufferPointer(rebasing: words[..<16]), UnsafeMutableBufferPointer(rebasing: words[16...]))
            for index in 0..<16 { m[index] = UInt64(littleEndian: block.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)) }
            for index in 0..<8 {
                v[index] = state[index]
                v[index + 8] = initial[index]
            }
            v[12] ^= UInt64(counted)
            if isLast { v[14] = ~v[14] }

            func mix(_ a: Int, _ b: Int, _ c: Int, _ d: Int, _ x: UInt64, _ y: UInt64) {
                v[a] = v[a] &+ v[b] &+ x
                v[d] = rotate(v[d] ^ v[a], by: 32)
                v[c] = v[c] &+ v[d]
                v[b] = rotate(v[b] ^ v[c], by: 24)
                v[a] = v[a] &+ v[b] &+ y
                v[d] = rotate(v[d] ^ v[a], by: 16)
                v[c] = v[c] &+ v[d]
                v[b] = rotate(v[b] ^ v[c], by: 63)
            }
            for round in 0..<12 {
                let s = permutations[round % 10]
                mix(0, 4, 8, 12, m[s[0]], m[s[1]])
                mix(1, 5, 9, 13, m[s[2]], m[s[3]])
                mix(2, 6, 10, 14, m[s[4]], m[s[5]])
                mix(3, 7, 11, 15, m[s[6]], m[s[7]])
                mix(0, 5, 10, 15, m[s[8]], m[s[9]])
                mix(1, 6, 11, 12, m[s[10]], m[s[11]])
                mix(2, 7, 8, 13, m[s[12]], m[s[13]])
                mix(3, 4, 9, 14, m[s[14]], m[s[15]])
            }
            for index in 0..<8 { state[index] ^= v[index] ^ v[index + 8] }
        }
    }

    private static func rotate(_ word: UInt64, by count: UInt64) -> UInt64 { word >> count | word << (64 - count) }
}
