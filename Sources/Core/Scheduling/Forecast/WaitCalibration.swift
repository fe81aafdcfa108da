// SPDX-License-Identifier: Apache-2.0

import func Glibc.exp
import func Glibc.log

/// Makes bounds of waits out of plans, by how earlier plans turned out (split conformal prediction; Vovk, Gammerman, Shafer 2005), and
/// adapts how far out it takes them, so that they hold as often as they should though the load changes (adaptive conformal inference;
/// Gibbs, Candès 2021). Whether a bound held is known when the job starts or when the bound is over, which may be after many others were
/// made.
package struct WaitCalibration: Sendable {
    /// Seconds that are added to waits before they are compared, so that short ones do not count for too much.
    private static let base = 300.0
    private static let depth = 2000
    /// With fewer scores than these, what is missing is made up for from -1 to 1.
    private static let fewest = 100
    /// Less than 0.05, because of the delay.
    private static let target = 0.045
    private static let pace = 0.001
    private static let tails = 0.002...0.2

    private struct Open: Sendable, Codable, Equatable {
        var submitted: Int
        var bound: Int
        var plan: Double
        /// Its bound is over, and counted as missed.
        var isOverdue = false
    }

    private struct Verdict: Sendable, Codable, Comparable {
        var time: Int
        var job: Int
        var isMissed: Bool

        static func < (left: Verdict, right: Verdict) -> Bool { (left.time, left.job) < (right.time, right.job) }
    }

    /// The part of the bounds that is let be missed.
    package private(set) var tail = target
    /// `log((wait + base) ÷ (plan + base))` of the jobs that started last, in a ring.
    private var scores: [Double] = []
    private var oldest = 0
    private var sorted: [Double] = []
    /// Forecasts whose jobs wait.
    private var open: [Int: Open] = [:]
    /// When their bounds are over.
    private var deadlines = SortedChunks<JobEnd>()
    /// Not counted yet.
    private var verdicts: [Verdict] = []

    package init() {}

    /// The plan that a job's wait is compared with: between one by expected run times, which is nearer, and one by limits, which holds up.
    private static func plan(expected: Int, longest: Int) -> Double {
        (Double(max(1, expected)) + base).squareRoot() * (Double(max(1, longest)) + base).squareRoot() - base
    }

    /// The job has started.
    package mutating func begin(_ job: Int, at now: Int) {
        guard let forecast = open.removeValue(forKey: job) else { return }
        // A clock may have been set back.
        let wait = max(0, now - forecast.submitted)
        if !forecast.isOverdue {
            deadlines.remove(JobEnd(time: forecast.submitted.later(by: forecast.bound), job: job))
            verdicts.append(
                Verdict(time: forecast.submitted.later(by: min(wait, forecast.bound)), job: job, isMissed: wait > forecast.bound))
        }
        let score = log((Double(wait) + Self.base) / (forecast.plan + Self.base))
        if scores.count < Self.depth {
            scores.append(score)
        } else {
            sorted.remove(at: sorted.partition(before: scores[oldest]))
            scores[oldest] = score
            oldest = (oldest + 1) % Self.depth
        }
        sorted.insert(score, at: sorted.partition(before: score))
    }

    /// The job waits no longer, and has not started.
    package mutating func withdraw(_ job: Int) {
        guard let forecast = open.removeValue(forKey: job) else { return }
        deadlines.remove(JobEnd(time: forecast.submitted.later(by: forecast.bound), job: job))
    }

    /// Forgets forecasts of all but these.
    mutating func keep(_ jobs: Set<Int>) { for job in open.keys where !jobs.contains(job) { withdraw(job) } }

    /// When the bound of a waiting job is over; `nil`: none was made.
    package func latestStart(of job: Int) -> Int? { open[job].map { $0.submitted.later(by: $0.bound) } }

    /// Makes the bound of a job that is submitted now, and remembers it. What has started by now has to be told before.
    package mutating func bound(_ job: Int, expected: Int, longest: Int, at now: Int) -> Int {
        judge(at: now)
        let plan = Self.plan(expected: expected, longest: longest)
        let bound = (plan + Self.base) * exp(quantile) - Self.base
        let seconds = bound < 1e15 ? max(1, Int(bound.rounded(.up))) : Int(1e15)
        open[job] = Open(submitted: now, bound: seconds, plan: plan)
        deadlines.insert(JobEnd(time: now.later(by: seconds), job: job))
        return seconds
    }

    private mutating func judge(at now: Int) {
        while let deadline = deadlines.first, deadline.time <= now {
            deadlines.remove(deadline)
            open[deadline.job]?.isOverdue = true
            verdicts.append(Verdict(time: deadline.time, job: deadline.job, isMissed: true))
        }
        for verdict in verdicts.sorted() {
            tail += Self.pace * (Self.target - (verdict.isMissed ? 1 : 0))
            tail = min(max(tail, Self.tails.lowerBound), Self.tails.upperBound)
        }
        verdicts.removeAll(keepingCapacity: true)
    }

    private var quantile: Double {
        var all = sorted
        if all.count < Self.fewest {
            // In an order that is spread evenly, however many are needed.
            for index in 0..<Self.fewest - all.count {
                let place = Double(index * 37 % Self.fewest) + 0.5
                all.append(-1 + 2 * place / Double(Self.fewest))
            }
            all.sort()
        }
        let rank = Int((Double(all.count) * (1 - tail)).rounded(.up))
        return all[min(max(rank - 1, 0), all.count - 1)]
    }
}

extension WaitCalibration: Equatable {
    /// What follows from the rest is left out.
    package static func == (left: WaitCalibration, right: WaitCalibration) -> Bool {
        left.tail == right.tail && left.oldest == right.oldest && left.scores == right.scores && left.open == right.open
            && left.verdicts == right.verdicts
    }
}

extension WaitCalibration: Codable {
    private enum CodingKeys: String, CodingKey { case tail, scores, open, verdicts }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        tail = try values.decode(Double.self, forKey: .tail)
        scores = try values.decode([Double].self, forKey: .scores)
        open = try values.decode([Int: Open].self, forKey: .open)
        verdicts = try values.decode([Verdict].self, forKey: .verdicts)
        sorted = scores.sorted()
        for (job, forecast) in open where !forecast.isOverdue {
            deadlines.insert(JobEnd(time: forecast.submitted.later(by: forecast.bound), job: job))
        }
    }

    /// The scores with the oldest first; what follows from the rest is left out.
    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(tail, forKey: .tail)
        try values.encode(Array(scores[oldest...] + scores[..<oldest]), forKey: .scores)
        try values.encode(open, forKey: .open)
        try values.encode(verdicts, forKey: .verdicts)
    }
}
