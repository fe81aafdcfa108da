// SPDX-License-Identifier: Apache-2.0

/// Writes values as CPython's pickle reads them, protocol 5.
package enum PickleWriter {
    /// One value as a pickle.
    package static func pickle(_ value: Value) -> [UInt8] {
        var bytes: [UInt8] = [Opcode.proto.rawValue, 5]
        append(value, to: &bytes)
        bytes.append(Opcode.stop.rawValue)
        return bytes
    }

    /// What a pickled list of values that are yet to come begins with; ``append(_:to:)`` them and add ``listEnd``.
    package static let listStart = [Opcode.proto.rawValue, 5, Opcode.emptyList.rawValue, Opcode.mark.rawValue]
    package static let listEnd = [Opcode.appends.rawValue, Opcode.stop.rawValue]

    /// Adds the value without the frame of a pickle.
    package static func append(_ value: Value, to bytes: inout [UInt8]) {
        switch value {
        case .null: put(.none, &bytes)
        case .bool(let value): put(value ? .newTrue : .newFalse, &bytes)
        case .int(let value): append(value, to: &bytes)
        case .bigInt(let value): appendLong(value.twosComplement, to: &bytes)
        case .double(let value):
            put(.binFloat, &bytes)
            appendInteger(value.bitPattern.byteSwapped, to: &bytes)
        case .string(var text):
            text.withUTF8 { append(UnsafeRawBufferPointer($0), short: .shortBinUnicode, .binUnicode, long: .binUnicode8, to: &bytes) }
        case .bytes(let content):
            content.withUnsafeBytes { append($0, short: .shortBinBytes, .binBytes, long: .binBytes8, to: &bytes) }
        case .list(let items): append(items, empty: .emptyList, end: .appends, to: &bytes)
        case .set(let items): append(items, empty: .emptySet, end: .addItems, to: &bytes)
        case .frozenSet(let items):
            put(.mark, &bytes)
            for item in items { append(item, to: &bytes) }
            put(.frozenSet, &bytes)
        case .tuple(let items): append(tuple: items, to: &bytes)
        case .map(let map):
            put(.emptyMap, &bytes)
            guard !map.isEmpty else { return }
            put(.mark, &bytes)
            for entry in map.entries {
                append(entry.key, to: &bytes)
                append(entry.value, to: &bytes)
            }
            put(.setItems, &bytes)
        }
    }

    private static func put(_ code: Opcode, _ bytes: inout [UInt8]) { bytes.append(code.rawValue) }

    private static func appendInteger(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func append(_ value: Int64, to bytes: inout [UInt8]) {
        if let value = UInt8(exactly: value) {
            put(.binInt1, &bytes)
            bytes.append(value)
        } else if let value = UInt16(exactly: value) {
            put(.binInt2, &bytes)
            appendInteger(value, to: &bytes)
        } else if let value = Int32(exactly: value) {
            put(.binInt, &bytes)
            appendInteger(value, to: &bytes)
        } else {
            put(.long1, &bytes)
            bytes.append(8)
            appendInteger(value, to: &bytes)
        }
    }

    private static func appendLong(_ digits: [UInt8], to bytes: inout [UInt8]) {
        if let length = UInt8(exactly: digits.count) {
            put(.long1, &bytes)
            bytes.append(length)
        } else {
            put(.long4, &bytes)
            appendInteger(Int32(digits.count), to: &bytes)
        }
        bytes += digits
    }

    private static func append(
        _ content: UnsafeRawBufferPointer, short: Opcode, _ medium: Opcode, long: Opcode, to bytes: inout [UInt8]
    ) {
        if let length = UInt8(exactly: content.count) {
            put(short, &bytes)
            bytes.append(length)
        } else if let length = UInt32(exactly: content.count) {
            put(medium, &bytes)
            appendInteger(length, to: &bytes)
        } else {
            put(long, &bytes)
            appendInteger(UInt64(content.count), to: &bytes)
        }
        bytes.append(contentsOf: content)
    }

    private static func append(_ items: [Value], empty: Opcode, end: Opcode, to bytes: inout [UInt8]) {
        put(empty, &bytes)
        guard !items.isEmpty else { return }
        put(.mark, &bytes)
        for item in items { append(item, to: &bytes) }
        put(end, &bytes)
    }

    private static func append(tuple items: [Value], to bytes: inout [UInt8]) {
        switch items.count {
        case 0: put(.emptyTuple, &bytes)
        case 1...3:
            for item in items { append(item, to: &bytes) }
            bytes.append(Opcode.tuple1.rawValue + UInt8(items.count - 1))
        default:
            put(.mark, &bytes)
            for item in items { append(item, to: &bytes) }
            put(.tuple, &bytes)
        }
    }
}
