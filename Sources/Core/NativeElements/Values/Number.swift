// SPDX-License-Identifier: Apache-2.0

/// How two values stand to each other; `unordered` where one of them is NaN.
enum Order { case less, equal, greater, unordered }

/// A value that can be counted with; a truth value is 0 or 1, as in Python.
enum Number {
    case int(Int64)
    case bigInt(BigInteger)
    case double(Double)

    var double: Double {
        switch self {
        case .int(let value): Double(value)
        case .bigInt(let value): value.double
        case .double(let value): value
        }
    }

    /// Exact, also between integers and others.
    func compare(_ other: Number) -> Order {
        switch (self, other) {
        case (.int(let left), .int(let right)): left < right ? .less : left == right ? .equal : .greater
        case (.double(let left), .double(let right)):
            left < right ? .less : left == right ? .equal : left > right ? .greater : .unordered
        case (_, .double(let right)) where !right.isFinite: right.isNaN ? .unordered : right > 0 ? .less : .greater
        case (.double(let left), _) where !left.isFinite: left.isNaN ? .unordered : left < 0 ? .less : .greater
        default: compareExactly(other)
        }
    }

    private func compareExactly(_ other: Number) -> Order {
        let (left, right) = (floor, other.floor)
        let order = left.integer.compare(right.integer)
        guard order == .equal, left.hasFraction != right.hasFraction else { return order }
        return left.hasFraction ? .greater : .less
    }

    /// The largest integer that is not above it. Two numbers with a fraction are both doubles and never come here.
    private var floor: (integer: BigInteger, hasFraction: Bool) {
        switch self {
        case .int(let value): return (BigInteger(Int128(value)), false)
        case .bigInt(let value): return (value, false)
        case .double(let value):
            let below = value.rounded(.down)
            return (BigInteger(exactly: below) ?? BigInteger(0), below != value)
        }
    }
}

extension Value {
    var number: Number? {
        switch self {
        case .bool(let value): .int(value ? 1 : 0)
        case .int(let value): .int(value)
        case .bigInt(let value): .bigInt(value)
        case .double(let value): .double(value)
        case .null, .string, .bytes, .list, .tuple, .set, .frozenSet, .map: nil
        }
    }

    init(_ number: Number) {
        switch number {
        case .int(let value): self = .int(value)
        case .bigInt(let value): self = .bigInt(value)
        case .double(let value): self = .double(value)
        }
    }

    /// As Python orders: numbers, text, bytes, and lists or tuples item by item.
    /// - Throws: where the two have no order.
    func compare(_ other: Value) throws(NativeError) -> Order {
        switch (self, other) {
        case (.int(let left), .int(let right)): return left < right ? .less : left == right ? .equal : .greater
        case (.string(let left), .string(let right)):
            return left.isSame(as: right) ? .equal : left.precedes(right) ? .less : .greater
        case (.bytes(let left), .bytes(let right)):
            return left == right ? .equal : left.lexicographicallyPrecedes(right) ? .less : .greater
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            for (left, right) in zip(left, right) where left != right { return try left.compare(right) }
            return left.count < right.count ? .less : left.count == right.count ? .equal : .greater
        default:
            guard let left = number, let right = other.number else {
                throw NativeError("\(typeName) and \(other.typeName) have no order: compare numbers with numbers and text with text")
            }
            return left.compare(right)
        }
    }

    /// Whether Python takes it for true.
    package var isTrue: Bool {
        switch self {
        case .null: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .bigInt: true
        case .double(let value): value != 0
        case .string(let text): !text.isEmpty
        case .bytes(let bytes): !bytes.isEmpty
        case .list(let items), .tuple(let items), .set(let items), .frozenSet(let items): !items.isEmpty
        case .map(let map): !map.isEmpty
        }
    }
}
