// SPDX-License-Identifier: Apache-2.0

/// What `filter` and `map` compute from a datum, in a subset of Python's own expressions: `value > 3 and station == 'ABC'`.
///
/// A name means the field of that name, where the datum is a map that has it. Otherwise `item` and `value` mean the datum.
package struct Expression: Sendable {
    package static let maximumLength = 10_000
    static let maximumDepth = 64

    indirect enum Node: Sendable {
        case literal(Value)
        case name(String)
        case field(Node, String)
        case item(Node, Node)
        case list([Node])
        case negative(Node)
        case not(Node)
        case and(Node, Node)
        case or(Node, Node)
        case conditional(Node, then: Node, else: Node)
        case arithmetic(Arithmetic, Node, Node)
        /// As in Python, `1 < x <= 3` compares each with the next.
        case comparison(Node, [(Comparison, Node)])
        case call(Function, [Node])
    }

    enum Arithmetic: String { case add = "+", subtract = "-", multiply = "*", divide = "/", floorDivide = "//", modulo = "%" }

    enum Comparison: String {
        case equal = "==", unequal = "!=", less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
        case isIn = "in", isNotIn = "not in"
    }

    /// What its functions compute, for people.
    package static let functions = Function.allCases.map(\.documentation)

    package let text: String
    private let root: Node

    package init(_ text: String) throws(ExpressionError) {
        guard text.utf8.count <= Self.maximumLength else {
            throw ExpressionError(column: 1, reason: "the expression is longer than \(Self.maximumLength) bytes: put it in a Python PE")
        }
        self.text = text
        root = try ExpressionParser.parse(text)
    }

    /// - Throws: where the datum does not fit: a field that it lacks, text where a number is due.
    package func evaluate(_ datum: Value) throws(NativeError) -> Value {
        do {
            return try root.evaluate(datum)
        } catch {
            throw NativeError("\(error); the expression is: \(text)")
        }
    }
}
