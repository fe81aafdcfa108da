// SPDX-License-Identifier: Apache-2.0

/// A pattern as shells write it: `*` any characters, `?` one, `[a-z]` one of these, `[!a-z]` one that is not.
package struct GlobPattern: Sendable, Hashable {
    private enum Part: Hashable {
        case any
        case one
        case character(Unicode.Scalar)
        case oneOf([ClosedRange<Unicode.Scalar>], isNegated: Bool)
    }

    private let parts: [Part]

    package init(_ text: some StringProtocol) {
        let scalars = Array(text.unicodeScalars)
        var parts: [Part] = []
        var index = 0
        while index < scalars.count {
            switch scalars[index] {
            case "*": if parts.last != .any { parts.append(.any) }
            case "?": parts.append(.one)
            case "[":
                if let (part, next) = Self.set(scalars, index) {
                    parts.append(part)
                    index = next
                    continue
                }
                parts.append(.character("["))
            case let scalar: parts.append(.character(scalar))
            }
            index += 1
        }
        self.parts = parts
    }

    /// Whether the text has characters that stand for others.
    package static func isPattern(_ text: some StringProtocol) -> Bool { text.contains { "*?[".contains($0) } }

    /// The set that begins at the index, and what comes after it; nil where it is not closed.
    private static func set(_ scalars: [Unicode.Scalar], _ start: Int) -> (Part, Int)? {
        var index = start + 1
        let isNegated = index < scalars.count && scalars[index] == "!"
        if isNegated { index += 1 }
        // A bracket that comes first is one of the characters.
        guard index < scalars.count, let end = scalars[(index + 1)...].firstIndex(of: "]") else { return nil }
        var ranges: [ClosedRange<Unicode.Scalar>] = []
        while index < end {
            if index + 2 < end, scalars[index + 1] == "-", scalars[index] <= scalars[index + 2] {
                ranges.append(scalars[index]...scalars[index + 2])
                index += 3
            } else {
                ranges.append(scalars[index]...scalars[index])
                index += 1
            }
        }
        return (.oneOf(ranges, isNegated: isNegated), end + 1)
    }

    package func matches(_ text: some StringProtocol) -> Bool {
        let scalars = Array(text.unicodeScalars)
        var (part, index) = (0, 0)
        // Where to go on when what follows the last `*` does not fit: it takes one character more.
        var (retryPart, retryIndex) = (-1, 0)
        while index < scalars.count {
            if part < parts.count, parts[part] == .any {
                (retryPart, retryIndex) = (part, index)
                part += 1
            } else if part < parts.count, fits(parts[part], scalars[index]) {
                part += 1
                index += 1
            } else if retryPart >= 0 {
                retryIndex += 1
                (part, index) = (retryPart + 1, retryIndex)
            } else {
                return false
            }
        }
        return parts[part...].allSatisfy { $0 == .any }
    }

    private func fits(_ part: Part, _ scalar: Unicode.Scalar) -> Bool {
        switch part {
        case .any, .one: true
        case .character(let character): character == scalar
        case .oneOf(let ranges, let isNegated): ranges.contains { $0.contains(scalar) } != isNegated
        }
    }
}
