// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Weighted quantiles of the run times of similar jobs that ended: the user's own, and a little of everybody's. The likeness of two jobs
/// is that of their limits, ranks and applications, and recent ones count more.
///
/// How far out the upper quantiles are taken is learned too, so that they hold as often as they say (adaptive conformal inference; Gibbs,
/// Candès 2021, on the logarithm of the tail). One of the counted jobs always runs to its limit, so that little experience gives wide
/// intervals.
package struct SimilarPast: RunTimePredictor {
    private static let depth = 32
    private static let maximumUsers = 65_536
    /// What a job counts for that `i` others of the same list have followed.
    private static let decay: [Double] = (0..<depth).reduce(into: [1.0]) { decay, _ in decay.append(decay[decay.count - 1] * 0.9375) }
    /// What somebody else's job counts for.
    private static let foreign = 0.015625
    private static let pace = 0.05

    private struct Ended: Sendable {
        var traits: JobTraits
        var runTime: Int

        func likeness(to job: JobTraits, _ start: Double) -> Double {
            var weight = start
            if traits.limit == job.limit {
                weight *= 2
            } else {
                var ratio = Double(min(traits.limit, job.limit)) / Double(max(traits.limit, job.limit))
                ratio = ratio * ratio
                ratio = ratio * ratio
                weight *= ratio
            }
            weight *= traits.ranks == job.ranks ? 2 : Double(min(traits.ranks, job.ranks)) / Double(max(traits.ranks, job.ranks))
            return job.application >= 0 && traits.application == job.application ? weight * 8 : weight
        }
    }

    /// The last jobs, the newest first.
    private struct History: Sendable {
        private(set) var jobs: [Ended] = []
        var learned = 0

        mutating func add(_ job: Ended) {
            jobs.insert(job, at: 0)
            if jobs.count > SimilarPast.depth { jobs.removeLast() }
        }
    }

    private var own: [Int: History] = [:]
    private var everybody = History()
    private var learned = 0
    /// The tails that are taken as a tenth and a twentieth.
    private var tail90 = 0.10
    private var tail95 = 0.05

    package init() {}

    package func predict(_ job: JobTraits) -> RunTimePrediction {
        // Run times with their places in the pool below, so that they sort fast and equal ones stay in their order.
        var order: [UInt64] = []
        var weights: [Double] = []
        order.reserveCapacity(2 * Self.depth)
        weights.reserveCapacity(2 * Self.depth)
        func count(_ ended: Ended, _ weight: Double) {
            order.append(UInt64(min(ended.runTime, job.limit)) << 8 | UInt64(weights.count))
            weights.append(ended.likeness(to: job, weight))
        }
        for (index, ended) in (own[job.user]?.jobs ?? []).enumerated() { count(ended, Self.decay[index]) }
        for (index, ended) in everybody.jobs.enumerated() where ended.traits.user != job.user {
            count(ended, Self.decay[index] * Self.foreign)
        }
        guard !order.isEmpty else { return RunTimePrediction(job.limit, limit: job.limit) }
        order.sort()
        let total = order.reduce(0) { $0 + weights[Int($1 & 0xFF)] }
        func quantile(_ need: Double) -> Int? {
            var sum = 0.0
            for ended in order {
                sum += weights[Int(ended & 0xFF)]
                if sum >= need { return Int(ended >> 8) }
            }
            return nil
        }
        func upper(_ tail: Double) -> Int {
            quantile((1 - tail) * (total + 1)).map { min(job.limit, $0 + $0 / 4 + 1) } ?? job.limit
        }
        let expected = max(1, quantile(0.5 * total) ?? job.limit)
        let p90 = max(expected, upper(tail90))
        return RunTimePrediction(expected: expected, p90: p90, p95: max(p90, upper(tail95)))
    }

    package mutating func learn(_ job: JobTraits, runTime: Int, predicted: RunTimePrediction) {
        Self.adapt(&tail90, to: 0.10, exceeded: runTime > predicted.p90)
        Self.adapt(&tail95, to: 0.05, exceeded: runTime > predicted.p95)
        learned += 1
        let ended = Ended(traits: job, runTime: runTime)
        everybody.add(ended)
        if own[job.user] == nil, own.count >= Self.maximumUsers, let oldest = own.min(by: { $0.value.learned < $1.value.learned }) {
            own[oldest.key] = nil
        }
        own[job.user, default: History()].add(ended)
        own[job.user]?.learned = learned
    }

    /// An exceeded bound shrinks the tail by as much more as it should be rarer.
    private static func adapt(_ tail: inout Double, to target: Double, exceeded: Bool) {
        tail = exceeded ? max(1e-6, tail * (1 - pace * (1 - target))) : min(0.5, tail * (1 + pace * target))
    }
}
