// SPDX-License-Identifier: Apache-2.0

/// Numbers of 63 bits, kept as the spans that they fill: 16 bytes for each span, at worst for each number.
struct NumberSet {
    private var spans: [ClosedRange<UInt64>] = []
    private var isSorted = true
    private var sortAt = 4096

    mutating func insert(_ span: ClosedRange<UInt64>) {
        if let last = spans.last {
            if last.lowerBound <= span.lowerBound, span.lowerBound <= last.upperBound + 1 {
                spans[spans.count - 1] = last.lowerBound...max(last.upperBound, span.upperBound)
                return
            }
            if span.lowerBound < last.lowerBound { isSorted = false }
        }
        spans.append(span)
        if spans.count >= sortAt {
            sort()
            sortAt = max(sortAt, 2 * spans.count)
        }
    }

    mutating func formUnion(_ other: NumberSet) { for span in other.spans { insert(span) } }

    /// In order, without overlap.
    mutating func sorted() -> [ClosedRange<UInt64>] {
        sort()
        return spans
    }

    private mutating func sort() {
        guard !isSorted else { return }
        var all = spans
        all.sort { $0.lowerBound < $1.lowerBound }
        spans.removeAll(keepingCapacity: true)
        isSorted = true
        for span in all { insert(span) }
    }

    mutating func contains(_ number: UInt64) -> Bool { !within(number...number).isEmpty }

    /// The parts that lie in the span, in order.
    mutating func within(_ span: ClosedRange<UInt64>) -> [ClosedRange<UInt64>] {
        sort()
        var (lower, upper) = (0, spans.count)
        while lower < upper {
            let middle = (lower + upper) / 2
            if spans[middle].upperBound < span.lowerBound { lower = middle + 1 } else { upper = middle }
        }
        return spans[lower...].prefix { $0.lowerBound <= span.upperBound }.map { $0.clamped(to: span) }
    }

    /// What is here and not in `other`, in order.
    mutating func subtracting(_ other: inout NumberSet) -> [ClosedRange<UInt64>] {
        var rest: [ClosedRange<UInt64>] = []
        let others = other.sorted()
        var next = 0
        for span in sorted() {
            var lower = span.lowerBound
            while next < others.count, others[next].upperBound < lower { next += 1 }
            var index = next
            while index < others.count, others[index].lowerBound <= span.upperBound {
                if others[index].lowerBound > lower { rest.append(lower...others[index].lowerBound - 1) }
                lower = others[index].upperBound + 1
                index += 1
            }
            if lower <= span.upperBound { rest.append(lower...span.upperBound) }
        }
        return rest
    }
}

/// Data, or calls, of which something is still to be done, and for each of them one datum that was not consumed.
struct Gap {
    var span: ClosedRange<UInt64>
    /// Who did not consume it: an index into a list of them.
    var reader: Int
    /// The datum that was not consumed, for the first of the span.
    var datum: UInt64
    /// The others' are those that follow it, one each; otherwise it is the same for all.
    var follows: Bool

    func datum(of number: UInt64) -> UInt64 { follows ? datum + (number - span.lowerBound) : datum }

    func part(_ part: ClosedRange<UInt64>) -> Gap { Gap(span: part, reader: reader, datum: datum(of: part.lowerBound), follows: follows) }

    /// The same for as many numbers from another one on.
    func moved(to first: UInt64) -> Gap {
        Gap(span: first...first + (span.upperBound - span.lowerBound), reader: reader, datum: datum, follows: follows)
    }

    /// The same for one number.
    func moved(from number: UInt64, to other: UInt64) -> Gap {
        Gap(span: other...other, reader: reader, datum: datum(of: number), follows: false)
    }
}

/// Gaps in order, without overlap.
struct GapList {
    let gaps: [Gap]

    init(_ all: [Gap] = []) {
        var gaps: [Gap] = []
        for gap in all.sorted(by: { $0.span.lowerBound < $1.span.lowerBound }) {
            guard let last = gaps.last, last.span.upperBound >= gap.span.lowerBound else {
                gaps.append(gap)
                continue
            }
            if gap.span.upperBound > last.span.upperBound { gaps.append(gap.part(last.span.upperBound + 1...gap.span.upperBound)) }
        }
        self.gaps = gaps
    }

    /// The parts that lie in the span.
    func within(_ span: ClosedRange<UInt64>) -> [Gap] {
        var (lower, upper) = (0, gaps.count)
        while lower < upper {
            let middle = (lower + upper) / 2
            if gaps[middle].span.upperBound < span.lowerBound { lower = middle + 1 } else { upper = middle }
        }
        return gaps[lower...].prefix { $0.span.lowerBound <= span.upperBound }.map { $0.part($0.span.clamped(to: span)) }
    }
}
