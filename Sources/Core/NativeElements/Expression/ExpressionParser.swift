// SPDX-License-Identifier: Apache-2.0

/// Recursive descent, from the operator that binds least to the one that binds most.
struct ExpressionParser {
    private let tokens: [ExpressionLexer.Token]
    private var position = 0
    private var depth = 0

    static func parse(_ text: String) throws(ExpressionError) -> Expression.Node {
        var parser = ExpressionParser(tokens: try ExpressionLexer.tokens(of: text))
        if parser.token.kind == .end { throw ExpressionError(column: 1, reason: "the expression is empty: write one, as value > 3") }
        let node = try parser.expression()
        guard parser.token.kind == .end else { throw parser.unexpected("an operator") }
        return node
    }

    private init(tokens: [ExpressionLexer.Token]) { self.tokens = tokens }

    private var token: ExpressionLexer.Token { tokens[position] }

    private mutating func skip(_ symbol: String) -> Bool {
        guard token.kind == .symbol(symbol) else { return false }
        position += 1
        return true
    }

    private mutating func skip(anyOf symbols: String...) -> String? { symbols.first { skip($0) } }

    private mutating func require(_ symbol: String) throws(ExpressionError) {
        guard skip(symbol) else { throw unexpected("'\(symbol)'") }
    }

    private func unexpected(_ expected: String) -> ExpressionError {
        switch token.kind {
        case .symbol(let text), .name(let text):
            ExpressionError(column: token.column, reason: "'\(text)' stands where \(expected) is due")
        case .int, .double: ExpressionError(column: token.column, reason: "a number stands where \(expected) is due")
        case .text: ExpressionError(column: token.column, reason: "a text stands where \(expected) is due")
        case .end: ExpressionError(column: token.column, reason: "the expression ends where \(expected) is due")
        }
    }

    private mutating func expression() throws(ExpressionError) -> Expression.Node {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Expression.maximumDepth else {
            throw ExpressionError(column: token.column, reason: "the expression is nested more than \(Expression.maximumDepth) deep")
        }
        let node = try disjunction()
        guard skip("if") else { return node }
        let condition = try disjunction()
        try require("else")
        return .conditional(condition, then: node, else: try expression())
    }

    private mutating func disjunction() throws(ExpressionError) -> Expression.Node {
        var node = try conjunction()
        while skip("or") { node = .or(node, try conjunction()) }
        return node
    }

    private mutating func conjunction() throws(ExpressionError) -> Expression.Node {
        var node = try negation()
        while skip("and") { node = .and(node, try negation()) }
        return node
    }

    private mutating func negation() throws(ExpressionError) -> Expression.Node {
        var count = 0
        while skip("not") { count += 1 }
        let node = try comparison()
        return count == 0 ? node : count.isMultiple(of: 2) ? .not(.not(node)) : .not(node)
    }

    private mutating func comparison() throws(ExpressionError) -> Expression.Node {
        let node = try sum()
        var others: [(Expression.Comparison, Expression.Node)] = []
        while let comparison = comparator() { others.append((comparison, try sum())) }
        return others.isEmpty ? node : .comparison(node, others)
    }

    private mutating func comparator() -> Expression.Comparison? {
        if case .symbol("not") = token.kind, case .symbol("in") = tokens[position + 1].kind {
            position += 2
            return .isNotIn
        }
        guard case .symbol(let text) = token.kind, let comparison = Expression.Comparison(rawValue: text) else { return nil }
        position += 1
        return comparison
    }

    private mutating func sum() throws(ExpressionError) -> Expression.Node {
        var node = try product()
        while let symbol = skip(anyOf: "+", "-") { node = .arithmetic(symbol == "+" ? .add : .subtract, node, try product()) }
        return node
    }

    private mutating func product() throws(ExpressionError) -> Expression.Node {
        var node = try sign()
        while case .symbol(let text) = token.kind, let operation = Expression.Arithmetic(rawValue: text), text != "+", text != "-" {
            position += 1
            node = .arithmetic(operation, node, try sign())
        }
        return node
    }

    private mutating func sign() throws(ExpressionError) -> Expression.Node {
        var isNegative = false
        while let symbol = skip(anyOf: "-", "+") { isNegative = isNegative != (symbol == "-") }
        let node = try parts()
        guard isNegative else { return node }
        return switch node {
        case .literal(.int(let value)): .literal(.int(-value))
        case .literal(.double(let value)): .literal(.double(-value))
        default: .negative(node)
        }
    }

    private mutating func parts() throws(ExpressionError) -> Expression.Node {
        var node = try atom()
        var count = 0
        while let symbol = skip(anyOf: "[", ".") {
            count += 1
            guard count <= Expression.maximumDepth else { throw unexpected("an operator") }
            if symbol == "[" {
                node = .item(node, try expression())
                try require("]")
            } else {
                guard case .name(let name) = token.kind else { throw unexpected("the name of a field") }
                position += 1
                node = .field(node, name)
            }
        }
        return node
    }

    private mutating func atom() throws(ExpressionError) -> Expression.Node {
        let start = token
        switch start.kind {
        case .int(let value):
            position += 1
            return .literal(.int(value))
        case .double(let value):
            position += 1
            return .literal(.double(value))
        case .text(let text):
            position += 1
            return .literal(.string(text))
        case .name(let name):
            position += 1
            if skip("(") { return try call(name, at: start.column) }
            return switch name {
            case "true", "True": .literal(.bool(true))
            case "false", "False": .literal(.bool(false))
            case "null", "None": .literal(.null)
            default: .name(name)
            }
        case .symbol("("):
            position += 1
            let node = try expression()
            try require(")")
            return node
        case .symbol("["):
            position += 1
            return .list(try list(closedBy: "]"))
        case .symbol, .end: throw unexpected("a value")
        }
    }

    private mutating func list(closedBy end: String) throws(ExpressionError) -> [Expression.Node] {
        var nodes: [Expression.Node] = []
        while !skip(end) {
            if !nodes.isEmpty { try require(",") }
            nodes.append(try expression())
        }
        return nodes
    }

    private mutating func call(_ name: String, at column: Int) throws(ExpressionError) -> Expression.Node {
        guard let function = Function(rawValue: name) else {
            let known = Function.allCases.map(\.rawValue).joined(separator: ", ")
            throw ExpressionError(column: column, reason: "there is no function '\(name)'; the functions are: \(known)")
        }
        let arguments = try list(closedBy: ")")
        guard function.arguments.contains(arguments.count) else {
            let (least, most) = (function.arguments.lowerBound, function.arguments.upperBound)
            let wanted = least == most ? "\(least)" : most == .max ? "\(least) or more" : "\(least) to \(most)"
            throw ExpressionError(
                column: column, reason: "\(name)() takes \(wanted) argument\(wanted == "1" ? "" : "s"), not \(arguments.count)")
        }
        return .call(function, arguments)
    }
}
