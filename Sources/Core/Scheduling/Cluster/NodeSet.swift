// SPDX-License-Identifier: Apache-2.0

/// A set of node indices in which the next one is found fast, in two levels of bits.
struct NodeSet: Sendable, Equatable {
    private var words: [UInt64]
    /// A bit for each word that is not 0.
    private var summary: [UInt64]
    private(set) var count = 0
    let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        words = [UInt64](repeating: 0, count: (capacity + 63) / 64)
        summary = [UInt64](repeating: 0, count: (words.count + 63) / 64)
    }

    func contains(_ node: Int) -> Bool { words[node >> 6] & (1 << UInt64(node & 63)) != 0 }

    mutating func insert(_ node: Int) {
        guard !contains(node) else { return }
        words[node >> 6] |= 1 << UInt64(node & 63)
        summary[node >> 12] |= 1 << UInt64((node >> 6) & 63)
        count += 1
    }

    mutating func remove(_ node: Int) {
        guard contains(node) else { return }
        words[node >> 6] &= ~(1 << UInt64(node & 63))
        if words[node >> 6] == 0 { summary[node >> 12] &= ~(1 << UInt64((node >> 6) & 63)) }
        count -= 1
    }

    mutating func insert(_ nodes: Range<Int>) {
        Self.forEachWord(of: nodes) { word, mask in
            count += (mask & ~words[word]).nonzeroBitCount
            words[word] |= mask
            summary[word >> 6] |= 1 << UInt64(word & 63)
        }
    }

    mutating func remove(_ nodes: Range<Int>) {
        Self.forEachWord(of: nodes) { word, mask in
            count -= (mask & words[word]).nonzeroBitCount
            words[word] &= ~mask
            if words[word] == 0 { summary[word >> 6] &= ~(1 << UInt64(word & 63)) }
        }
    }

    private static func forEachWord(of nodes: Range<Int>, _ body: (Int, UInt64) -> Void) {
        var node = nodes.lowerBound
        while node < nodes.upperBound {
            let end = min(nodes.upperBound, (node | 63) + 1)
            let mask = (~UInt64(0) >> UInt64(64 - (end - node))) << UInt64(node & 63)
            body(node >> 6, mask)
            node = end
        }
    }

    /// The least node from `start` on for which `condition` holds.
    func first(from start: Int = 0, where condition: (Int) -> Bool = { _ in true }) -> Int? {
        guard count > 0, start >> 6 < words.count else { return nil }
        var word = start >> 6
        var bits = words[word] & (~0 << UInt64(start & 63))
        while true {
            while bits != 0 {
                let node = word << 6 + bits.trailingZeroBitCount
                if condition(node) { return node }
                bits &= bits - 1
            }
            guard let next = nextWord(after: word) else { return nil }
            word = next
            bits = words[word]
        }
    }

    private func nextWord(after word: Int) -> Int? {
        let start = word + 1
        var index = start >> 6
        guard index < summary.count else { return nil }
        var bits = summary[index] & (~0 << UInt64(start & 63))
        while bits == 0 {
            index += 1
            guard index < summary.count else { return nil }
            bits = summary[index]
        }
        return index << 6 + bits.trailingZeroBitCount
    }

    func forEach(_ body: (Int) -> Void) {
        for (word, value) in words.enumerated() where value != 0 {
            var bits = value
            while bits != 0 {
                body(word << 6 + bits.trailingZeroBitCount)
                bits &= bits - 1
            }
        }
    }

    mutating func formUnion(_ other: NodeSet) {
        for (word, bits) in other.words.enumerated() where bits & ~words[word] != 0 {
            count += (bits & ~words[word]).nonzeroBitCount
            words[word] |= bits
            summary[word >> 6] |= 1 << UInt64(word & 63)
        }
    }
}
