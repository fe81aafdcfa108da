// SPDX-License-Identifier: Apache-2.0

/// Cuts the text of an expression into tokens.
struct ExpressionLexer {
    enum Kind: Hashable {
        case int(Int64), double(Double), text(String)
        case name(String)
        /// Operators, brackets, and words that are no names.
        case symbol(String)
        case end
    }

    struct Token {
        var kind: Kind
        var column: Int
    }

    private static let words: Set<String> = ["and", "or", "not", "in", "if", "else"]
    /// Longer ones first.
    private static let symbols = ["==", "!=", "<=", ">=", "//", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",", "."]

    private let characters: [Character]
    private var position = 0

    private init(_ text: String) { characters = Array(text) }

    static func tokens(of text: String) throws(ExpressionError) -> [Token] {
        var lexer = ExpressionLexer(text)
        var tokens: [Token] = []
        repeat { tokens.append(try lexer.next()) } while tokens.last?.kind != .end
        return tokens
    }

    private mutating func next() throws(ExpressionError) -> Token {
        while position < characters.count, characters[position].isWhitespace { position += 1 }
        let column = position + 1
        guard position < characters.count else { return Token(kind: .end, column: column) }
        let first = characters[position]
        if first.isASCIIDigit || first == "." && position + 1 < characters.count && characters[position + 1].isASCIIDigit {
            return Token(kind: try number(column), column: column)
        }
        if first == "'" || first == "\"" { return Token(kind: .text(try text(quote: first, column)), column: column) }
        if first.isLetter || first == "_" {
            let word = take { $0.isLetter || $0.isNumber || $0 == "_" }
            return Token(kind: Self.words.contains(word) ? .symbol(word) : .name(word), column: column)
        }
        for symbol in Self.symbols where characters[position...].starts(with: symbol) {
            position += symbol.count
            return Token(kind: .symbol(symbol), column: column)
        }
        let remedies: [Character: String] = [
            "=": "compare with '=='", "&": "write 'and'", "|": "write 'or'", "!": "write 'not'", "{": "maps cannot be written here",
        ]
        throw ExpressionError(
            column: column,
            reason: "'\(first)' has no meaning here\(remedies[first].map { "; \($0)" } ?? ": remove it, or put text in quotes")")
    }

    private mutating func take(while condition: (Character) -> Bool) -> String {
        let start = position
        while position < characters.count, condition(characters[position]) { position += 1 }
        return String(characters[start..<position])
    }

    private mutating func number(_ column: Int) throws(ExpressionError) -> Kind {
        var text = take { $0.isASCIIDigit || $0 == "." }
        if position < characters.count, "eE".contains(characters[position]) {
            text += take { "eE".contains($0) }
            text += take { "+-".contains($0) }
            text += take { $0.isASCIIDigit }
        }
        if position < characters.count, characters[position].isLetter {
            throw ExpressionError(
                column: column, reason: "'\(text)\(characters[position])' is no number and no name; a name begins with a letter")
        }
        if let value = Int64(text) { return .int(value) }
        guard let value = Double(text), value.isFinite else { throw ExpressionError(column: column, reason: "'\(text)' is no number") }
        return .double(value)
    }

    private mutating func text(quote: Character, _ column: Int) throws(ExpressionError) -> String {
        let escapes: [Character: Character] = ["n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", "\"": "\""]
        var text = ""
        position += 1
        while position < characters.count {
            let character = characters[position]
            position += 1
            if character == quote { return text }
            if character == "\\" {
                guard position < characters.count, let meant = escapes[characters[position]] else {
                    throw ExpressionError(column: position, reason: #"after '\' stands one of n, t, r, \, ' and ""#)
                }
                text.append(meant)
                position += 1
            } else {
                text.append(character)
            }
        }
        throw ExpressionError(column: column, reason: "the text that begins here is not closed: add \(quote)")
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { isASCII && isWholeNumber }
}
