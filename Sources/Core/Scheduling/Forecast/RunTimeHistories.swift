// SPDX-License-Identifier: Apache-2.0

/// How long jobs ran: the last few of each user with the same limit and ranks, with the same limit, and of all, and of everybody the
/// part of the limit. It gives the run times that a job may have, all as likely as each other; which is enough for plans, where only many
/// jobs together matter.
package struct RunTimeHistories: Sendable, Codable {
    private static let depth = 20
    private static let ratioDepth = 200
    /// With fewer run times that a job may still have, a less particular list is asked.
    private static let fewest = 3
    private static let maximumLists = 49_152

    private struct Key: Sendable, Codable, Hashable {
        var user: Int
        var limit: Int?
        var ranks: Int?
    }

    /// The last values, and the same by size.
    private struct Recent<Value: Sendable & Codable & Comparable>: Sendable, Codable {
        private var values: [Value] = []
        private var oldest = 0
        private(set) var sorted: [Value] = []
        /// Which of all jobs was the last one.
        var last = 0

        mutating func add(_ value: Value, depth: Int) {
            if values.count < depth {
                values.append(value)
            } else {
                sorted.remove(at: sorted.partition(before: values[oldest]))
                values[oldest] = value
                oldest = (oldest + 1) % depth
            }
            sorted.insert(value, at: sorted.partition(before: value))
        }
    }

    private var lists: [Key: Recent<Int>] = [:]
    private var ratios = Recent<Double>()
    private var learned = 0

    package init() {}

    package mutating func learn(user: Int, limit: Int, ranks: Int, runTime: Int) {
        learned += 1
        let runTime = max(1, min(limit, runTime))
        for key in [Key(user: user, limit: limit, ranks: ranks), Key(user: user, limit: limit), Key(user: user)] {
            lists[key, default: Recent()].add(runTime, depth: Self.depth)
            lists[key]?.last = learned
        }
        ratios.add(Double(runTime) / Double(limit), depth: Self.ratioDepth)
        guard lists.count > Self.maximumLists else { return }
        // Half at a time, so that this is rare.
        let middle = lists.values.map(\.last).sorted()[lists.count / 2]
        lists = lists.filter { $0.value.last > middle }
    }

    /// A run time of the job.
    /// - Parameters:
    ///   - elapsed: that it has run for already; the result is longer.
    ///   - quantile: from 0 to 1; 0.5 is the median, the upper one of two.
    package func runTime(of job: Job, elapsed: Int = 0, at quantile: Double = 0.5) -> Int {
        max(elapsed + 1, possible(job, beyond: elapsed, at: quantile))
    }

    private func possible(_ job: Job, beyond elapsed: Int, at quantile: Double) -> Int {
        guard elapsed < job.limit else { return job.limit }
        func place(_ count: Int) -> Int { min(count - 1, Int(quantile * Double(count))) }
        for key in [Key(user: job.user, limit: job.limit, ranks: job.ranks), Key(user: job.user, limit: job.limit), Key(user: job.user)] {
            guard let times = lists[key]?.sorted else { continue }
            let first = times.partition(before: elapsed + 1)
            if times.count - first >= Self.fewest { return min(job.limit, times[first + place(times.count - first)]) }
        }
        func time(_ ratio: Double) -> Int { max(1, Int(ratio * Double(job.limit))) }
        let first = ratios.sorted.partition { time($0) > elapsed }
        let count = ratios.sorted.count - first
        guard count < Self.fewest else { return time(ratios.sorted[first + place(count)]) }
        // The limit counts as one more.
        let chosen = first + place(count + 1)
        return chosen < ratios.sorted.count ? time(ratios.sorted[chosen]) : job.limit
    }
}

extension Array {
    /// The first place in a sorted array for whose element `isBehind` holds.
    func partition(_ isBehind: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension Array where Element: Comparable {
    /// The first place in a sorted array whose element is not less than `element`.
    func partition(before element: Element) -> Int { partition { $0 >= element } }
}
