// SPDX-License-Identifier: Apache-2.0

/// The functions of expressions.
enum Function: String, CaseIterable {
    case len, abs, min, max, round, floor, ceil, sqrt, int, float, str, lower, upper, strip, contains, startswith, endswith, like, has

    /// How many arguments it takes.
    var arguments: ClosedRange<Int> {
        switch self {
        case .len, .abs, .floor, .ceil, .sqrt, .int, .float, .str, .lower, .upper, .strip: 1...1
        case .round: 1...2
        case .contains, .startswith, .endswith, .like, .has: 2...2
        case .min, .max: 1...Int.max
        }
    }

    /// What it computes, for people.
    var documentation: String {
        switch self {
        case .len: "`len(x)`: characters of text, items of a list or map"
        case .abs: "`abs(x)`"
        case .min: "`min(x, y, …)` or `min(list)`"
        case .max: "`max(x, y, …)` or `max(list)`"
        case .round: "`round(x)`, `round(x, digits)`: halves go to the even neighbour"
        case .floor: "`floor(x)`: the integer below"
        case .ceil: "`ceil(x)`: the integer above"
        case .sqrt: "`sqrt(x)`"
        case .int: "`int(x)`: the integer that a text shows, or a number without its fraction"
        case .float: "`float(x)`: the number that a text shows"
        case .str: "`str(x)`: as text"
        case .lower: "`lower(text)`"
        case .upper: "`upper(text)`"
        case .strip: "`strip(text)`: without spaces around it"
        case .contains: "`contains(x, part)`: the same as `part in x`"
        case .startswith: "`startswith(text, part)`"
        case .endswith: "`endswith(text, part)`"
        case .like: "`like(text, pattern)`: `*` stands for any characters, `?` for one, `[a-z]` for one of these"
        case .has: "`has(map, name)`: whether it has the field"
        }
    }

    func apply(_ arguments: [Value]) throws(NativeError) -> Value {
        let first = arguments[0]
        switch self {
        case .len:
            switch first {
            case .string(let text): return .int(Int64(text.unicodeScalars.count))
            case .bytes(let bytes): return .int(Int64(bytes.count))
            case .map(let map): return .int(Int64(map.count))
            default:
                guard let items = first.items else { throw unfit(first) }
                return .int(Int64(items.count))
            }
        case .abs:
            switch try number(first) {
            case .int(let value): return Value(Int128(value.magnitude))
            case .bigInt(let value): return .double(Swift.abs(value.double))
            case .double(let value): return .double(Swift.abs(value))
            }
        case .min, .max: return try extreme(arguments)
        case .round: return try round(arguments)
        case .floor: return try integer(number(first).double.rounded(.down), of: first)
        case .ceil: return try integer(number(first).double.rounded(.up), of: first)
        case .sqrt:
            let value = try number(first).double
            guard value >= 0 else { throw NativeError("sqrt() of a number below zero") }
            return .double(value.squareRoot())
        case .int:
            if case .string(let text) = first {
                guard let value = BigInteger(decimal: text.trimmed) else { throw NativeError("int(): the text '\(text)' shows no integer") }
                return Value(value)
            }
            return try integer(number(first).double.rounded(.towardZero), of: first)
        case .float:
            if case .string(let text) = first {
                guard let value = Double(text.trimmed) else { throw NativeError("float(): the text '\(text)' shows no number") }
                return .double(value)
            }
            return .double(try number(first).double)
        case .str: return .string(try first.text)
        case .lower: return .string(try text(first).lowercased())
        case .upper: return .string(try text(first).uppercased())
        case .strip: return .string(try text(first).trimmed)
        case .contains: return .bool(try first.contains(arguments[1]))
        case .startswith: return .bool(try text(first).utf8.starts(with: text(arguments[1]).utf8))
        case .endswith: return .bool(try text(first).utf8.reversed().starts(with: text(arguments[1]).utf8.reversed()))
        case .like: return .bool(GlobPattern(try text(arguments[1])).matches(try text(first)))
        case .has:
            guard case .map(let map) = first else { return .bool(false) }
            return .bool(map[arguments[1]] != nil)
        }
    }

    private func unfit(_ value: Value) -> NativeError { NativeError("\(rawValue)() does not go with \(value.typeName)") }

    private func number(_ value: Value) throws(NativeError) -> Number {
        guard let number = value.number else { throw unfit(value) }
        return number
    }

    private func text(_ value: Value) throws(NativeError) -> String {
        guard case .string(let text) = value else { throw unfit(value) }
        return text
    }

    /// - Parameter value: the number as rounded; an integer stays as it was.
    private func integer(_ rounded: Double, of value: Value) throws(NativeError) -> Value {
        switch value {
        case .int, .bigInt: return value
        case .bool(let value): return .int(value ? 1 : 0)
        default:
            guard let integer = BigInteger(exactly: rounded) else { throw NativeError("\(rawValue)() of \(rounded), which is no number") }
            return Value(integer)
        }
    }

    private func extreme(_ arguments: [Value]) throws(NativeError) -> Value {
        let candidates = arguments.count == 1 ? arguments[0].items : arguments
        guard let candidates, var best = candidates.first else { throw NativeError("\(rawValue)() needs several values or a list of them") }
        for candidate in candidates.dropFirst() where try candidate.compare(best) == (self == .min ? .less : .greater) { best = candidate }
        return best
    }

    private func round(_ arguments: [Value]) throws(NativeError) -> Value {
        let value = try number(arguments[0]).double
        guard arguments.count == 2 else { return try integer(value.rounded(.toNearestOrEven), of: arguments[0]) }
        guard case .int(let digits) = arguments[1], (0...15).contains(digits) else {
            throw NativeError("round() takes from 0 to 15 digits")
        }
        let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
        let rounded = (value * scale).rounded(.toNearestOrEven) / scale
        return .double(rounded.isFinite ? rounded : value)
    }
}

extension Value {
    /// The text itself; anything else as JSON.
    package var text: String {
        get throws(NativeError) {
            if case .string(let text) = self { return text }
            var bytes: [UInt8] = []
            try JSONWriter.append(self, to: &bytes)
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}

extension String {
    /// Without spaces around it.
    var trimmed: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(self[first...last])
    }
}
