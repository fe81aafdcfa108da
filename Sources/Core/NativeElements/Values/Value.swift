// SPDX-License-Identifier: Apache-2.0

/// Plain data, as native PEs see them: what JSON can say, and what of Python's own types goes beyond that.
///
/// Values are equal where Python says so: `1`, `1.0` and `true` are, a list and a tuple are not, and text is compared by its
/// characters' codes. Only NaN differs: it equals itself, so that it can be found again.
package enum Value: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    /// An integer beyond 64 bits.
    case bigInt(BigInteger)
    case double(Double)
    case string(String)
    case bytes([UInt8])
    case list([Value])
    case tuple([Value])
    case set([Value])
    case frozenSet([Value])
    case map(ValueMap)
}

extension Value {
    package init(_ integer: Int128) { self = Int64(exactly: integer).map(Value.int) ?? .bigInt(BigInteger(integer)) }

    package init(_ integer: BigInteger) { self = integer.int64.map(Value.int) ?? .bigInt(integer) }

    /// What people call its type.
    package var typeName: String {
        switch self {
        case .null: "null"
        case .bool: "a truth value"
        case .int, .bigInt: "an integer"
        case .double: "a number"
        case .string: "text"
        case .bytes: "bytes"
        case .list: "a list"
        case .tuple: "a tuple"
        case .set, .frozenSet: "a set"
        case .map: "a map"
        }
    }

    package var stringValue: String? { if case .string(let text) = self { text } else { nil } }

    /// The items of a list, tuple or set.
    package var items: [Value]? {
        switch self {
        case .list(let items), .tuple(let items), .set(let items), .frozenSet(let items): items
        case .null, .bool, .int, .bigInt, .double, .string, .bytes, .map: nil
        }
    }

    /// Bytes that it takes, roughly and at a glance.
    package var estimatedSize: Int {
        switch self {
        case .null, .bool: 16
        case .int, .double: 28
        case .bigInt(let integer): integer.byteCount
        case .string(let text): text.utf8.count
        case .bytes(let bytes): bytes.count
        case .list(let items), .tuple(let items), .set(let items), .frozenSet(let items): 56 + 8 * items.count
        case .map(let map): 64 + 100 * map.count
        }
    }
}

extension Value: Hashable {
    package static func == (left: Value, right: Value) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.string(let left), .string(let right)): left.isSame(as: right)
        case (.bytes(let left), .bytes(let right)): left == right
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)): left == right
        case (.set(let left), .set(let right)), (.set(let left), .frozenSet(let right)), (.frozenSet(let left), .set(let right)),
            (.frozenSet(let left), .frozenSet(let right)):
            left.count == right.count && Set(left) == Set(right)
        case (.map(let left), .map(let right)): left == right
        case (.double(let left), .double(let right)): left == right || left.isNaN && right.isNaN
        default:
            if let left = left.number, let right = right.number { left.compare(right) == .equal } else { false }
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .bool(let value): hasher.combine(Int64(value ? 1 : 0))
        case .int(let value): hasher.combine(value)
        case .bigInt(let value): hasher.combine(value.double)
        case .double(let value):
            // As the integer that it may be equal to.
            if let integer = Int64(exactly: value) { hasher.combine(integer) } else { hasher.combine(value.isNaN ? .nan : value) }
        case .string(let value): hasher.combine(value)
        case .bytes(let value): hasher.combine(value)
        case .list(let items), .tuple(let items): hasher.combine(items)
        case .set(let items), .frozenSet(let items): hasher.combine(Set(items))
        case .map(let map): hasher.combine(map)
        }
    }
}

extension String {
    /// Equal character code by character code; `==` takes different ways to write one character for the same.
    func isSame(as other: String) -> Bool { utf8.count == other.utf8.count && self == other && utf8.elementsEqual(other.utf8) }

    /// In the order of the characters' codes, as Python compares text.
    func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}
