// SPDX-License-Identifier: Apache-2.0

extension Expression.Node {
    func evaluate(_ datum: Value) throws(NativeError) -> Value {
        switch self {
        case .literal(let value): return value
        case .name(let name):
            if case .map(let map) = datum, let value = map[name] { return value }
            return name == "item" || name == "value" ? datum : try datum.field(name)
        case .field(let node, let name): return try node.evaluate(datum).field(name)
        case .item(let node, let key): return try node.evaluate(datum).item(key.evaluate(datum))
        case .list(let nodes):
            var items: [Value] = []
            for node in nodes { items.append(try node.evaluate(datum)) }
            return .list(items)
        case .negative(let node): return try Expression.Arithmetic.subtract.apply(.int(0), node.evaluate(datum))
        case .not(let node): return .bool(!(try node.evaluate(datum).isTrue))
        case .and(let left, let right):
            let value = try left.evaluate(datum)
            return value.isTrue ? try right.evaluate(datum) : value
        case .or(let left, let right):
            let value = try left.evaluate(datum)
            return value.isTrue ? value : try right.evaluate(datum)
        case .conditional(let condition, let then, let otherwise):
            return try condition.evaluate(datum).isTrue ? then.evaluate(datum) : otherwise.evaluate(datum)
        case .arithmetic(let operation, let left, let right): return try operation.apply(left.evaluate(datum), right.evaluate(datum))
        case .comparison(let first, let others):
            var left = try first.evaluate(datum)
            for (comparison, node) in others {
                let right = try node.evaluate(datum)
                guard try comparison.holds(left, right) else { return .bool(false) }
                left = right
            }
            return .bool(true)
        case .call(let function, let nodes):
            var arguments: [Value] = []
            for node in nodes { arguments.append(try node.evaluate(datum)) }
            return try function.apply(arguments)
        }
    }
}

extension Expression.Arithmetic {
    func apply(_ left: Value, _ right: Value) throws(NativeError) -> Value {
        switch (self, left, right) {
        case (.add, .string(let left), .string(let right)): return .string(left + right)
        case (.add, .list(let left), .list(let right)): return .list(left + right)
        case (.add, .tuple(let left), .tuple(let right)): return .tuple(left + right)
        default: break
        }
        guard let first = left.number, let second = right.number else {
            throw NativeError("'\(rawValue)' does not go with \(left.typeName) and \(right.typeName); convert with int(), float() or str()")
        }
        if case .int(let left) = first, case .int(let right) = second, self != .divide {
            return try apply(Int128(left), Int128(right))
        }
        return .double(try apply(first.double, second.double))
    }

    private func apply(_ left: Int128, _ right: Int128) throws(NativeError) -> Value {
        switch self {
        case .add: return Value(left + right)
        case .subtract: return Value(left - right)
        case .multiply: return Value(left * right)
        case .divide, .floorDivide, .modulo:
            guard right != 0 else { throw NativeError("division by zero") }
            let (quotient, remainder) = left.quotientAndRemainder(dividingBy: right)
            let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
            return self == .modulo ? Value(isBelow ? remainder + right : remainder) : Value(isBelow ? quotient - 1 : quotient)
        }
    }

    private func apply(_ left: Double, _ right: Double) throws(NativeError) -> Double {
        switch self {
        case .add: return left + right
        case .subtract: return left - right
        case .multiply: return left * right
        case .divide, .floorDivide, .modulo:
            guard right != 0 else { throw NativeError("division by zero") }
            if self == .divide { return left / right }
            let remainder = left.truncatingRemainder(dividingBy: right)
            let modulo = remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder
            return self == .modulo ? modulo : ((left - modulo) / right).rounded()
        }
    }
}

extension Expression.Comparison {
    func holds(_ left: Value, _ right: Value) throws(NativeError) -> Bool {
        switch self {
        case .equal: return left == right && !left.isNaN
        case .unequal: return left != right || left.isNaN
        case .isIn: return try right.contains(left)
        case .isNotIn: return try !right.contains(left)
        case .less, .lessOrEqual, .greater, .greaterOrEqual: break
        }
        let order = try left.compare(right)
        return switch self {
        case .less: order == .less
        case .lessOrEqual: order == .less || order == .equal
        case .greater: order == .greater
        default: order == .greater || order == .equal
        }
    }
}

extension Value {
    var isNaN: Bool { if case .double(let value) = self { value.isNaN } else { false } }

    /// As Python's `in`.
    func contains(_ other: Value) throws(NativeError) -> Bool {
        switch (self, other) {
        case (.string(let text), .string(let part)): return text.hasPart(part)
        case (.map(let map), _): return map[other] != nil
        default:
            guard let items else { throw NativeError("\(typeName) contains nothing: use a list, a map or text") }
            return items.contains(other)
        }
    }
}

extension String {
    func hasPart(_ part: String) -> Bool {
        let (whole, part) = (Array(utf8), Array(part.utf8))
        guard let first = part.first else { return true }
        guard whole.count >= part.count else { return false }
        for start in 0...whole.count - part.count where whole[start] == first && whole[start..<start + part.count].elementsEqual(part) {
            return true
        }
        return false
    }
}
