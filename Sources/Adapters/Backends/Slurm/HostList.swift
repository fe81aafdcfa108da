// SPDX-License-Identifier: Apache-2.0

/// Slurm's short form of many names: `n[1-3,07],login` for `n1`, `n2`, `n3`, `n07` and `login`.
enum HostList {
    /// No cluster has more nodes; a longer list is cut.
    private static let maximum = 200_000

    static func expand(_ text: String) -> [String] {
        var names: [String] = []
        for part in split(text) {
            guard let open = part.firstIndex(of: "["), let close = part[open...].firstIndex(of: "]") else {
                if !part.isEmpty { names.append(String(part)) }
                continue
            }
            let (prefix, suffix) = (part[..<open], part[part.index(after: close)...])
            for number in numbers(part[part.index(after: open)..<close]) where names.count < maximum {
                // A name may have several groups.
                names += expand("\(prefix)\(number)\(suffix)")
            }
        }
        return Array(names.prefix(maximum))
    }

    /// At commas outside of brackets.
    private static func split(_ text: String) -> [Substring] {
        var depth = 0
        return text.split(separator: ",", omittingEmptySubsequences: true).reduce(into: [Substring]()) { parts, piece in
            if depth > 0, let last = parts.popLast() {
                parts.append(text[last.startIndex..<piece.endIndex])
            } else {
                parts.append(piece)
            }
            for character in piece { depth += character == "[" ? 1 : character == "]" ? -1 : 0 }
        }
    }

    private static func numbers(_ text: Substring) -> [String] {
        text.split(separator: ",").flatMap { range -> [String] in
            let ends = range.split(separator: "-", maxSplits: 1)
            guard ends.count == 2, let first = Int(ends[0]), let last = Int(ends[1]), first <= last, last - first < maximum else {
                return [String(range)]
            }
            return (first...last).map { number in
                let digits = String(number)
                return String(repeating: "0", count: max(0, ends[0].count - digits.count)) + digits
            }
        }
    }
}
