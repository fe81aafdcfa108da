// SPDX-License-Identifier: Apache-2.0

/// The Castagnoli cyclic redundancy check, eight bytes at a step ("slicing by 8").
enum CRC32C {
    static func checksum(_ bytes: some Collection<UInt8>) -> UInt32 {
        bytes.withContiguousStorageIfAvailable(checksum) ?? Array(bytes).withUnsafeBufferPointer(checksum)
    }

    private static func checksum(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt32 {
        tables.withUnsafeBufferPointer { tables in
            var crc = UInt32.max
            var index = 0
            let raw = UnsafeRawBufferPointer(bytes)
            while raw.count - index >= 8 {
                let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ UInt64(crc)
                crc = 0
                for lane in 0..<8 {
                    crc ^= tables[(7 - lane) * 256 + Int(truncatingIfNeeded: word >> (8 * UInt64(lane)) & 0xFF)]
                }
                index += 8
            }
            while index < raw.count {
                crc = tables[Int((crc ^ UInt32(raw[index])) & 0xFF)] ^ crc >> 8
                index += 1
            }
            return ~crc
        }
    }

    /// Table `k` at `k * 256`: the effect of a byte that `k` more bytes follow.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
            tables[byte] = crc
        }
        for index in 256..<tables.count {
            let shorter = tables[index - 256]
            tables[index] = tables[Int(shorter & 0xFF)] ^ shorter >> 8
        }
        return tables
    }()
}
