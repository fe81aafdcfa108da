// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// How good a schedule is. Times in seconds.
package struct ScheduleMetrics: Sendable, Codable, Hashable {
    /// That started; all figures are theirs.
    package var jobs: Int
    package var unstarted: Int
    /// Jobs that were promised a start, and the part of all jobs that started later than promised.
    package var promises: Int
    package var brokenPromises: Double
    package var meanWait: Double
    package var medianWait: Int
    package var p95Wait: Int
    package var maximumWait: Int
    /// Of `max(1, (wait + run time) / max(run time, 10))`.
    package var meanBoundedSlowdown: Double
    /// Part of the slots used between the first and the last submission.
    package var utilisation: Double
    /// From the first submission to the last end.
    package var makespan: Int
    package var medianPredictionError: Double
    /// `Σ |predicted − actual| × ranks ÷ Σ actual × ranks`.
    package var weightedPredictionError: Double
    /// Part of the jobs that ran no longer than their p95.
    package var p95Coverage: Double
    /// `nil`: none were made.
    package var forecasts: Forecasts?

    /// How good the forecasts of waits were, of jobs that did not start at once.
    package struct Forecasts: Sendable, Codable, Hashable {
        package var jobs: Int
        /// Part of the jobs that waited no longer than their bound.
        package var coverage: Double
        /// How wide the bounds are: the median of bound ÷ wait, and the sum of the bounds ÷ that of the waits.
        package var medianBound: Double
        package var totalBound: Double
        /// Median of `|p50 − wait| ÷ wait`.
        package var medianError: Double

        private enum CodingKeys: String, CodingKey {
            case jobs, coverage
            case medianBound = "median_bound"
            case totalBound = "total_bound"
            case medianError = "median_error"
        }
    }

    private enum CodingKeys: String, CodingKey {
        case jobs, unstarted, promises, utilisation, makespan, forecasts
        case brokenPromises = "broken_promises"
        case meanWait = "mean_wait"
        case medianWait = "median_wait"
        case p95Wait = "p95_wait"
        case maximumWait = "maximum_wait"
        case meanBoundedSlowdown = "mean_bounded_slowdown"
        case medianPredictionError = "median_prediction_error"
        case weightedPredictionError = "weighted_prediction_error"
        case p95Coverage = "p95_coverage"
    }

    package init(_ workload: Workload, _ outcomes: [Simulation.Outcome], slots: Int) {
        let pairs = zip(workload.entries, outcomes).filter { $1.started >= 0 }
        let count = Double(max(1, pairs.count))
        let waits = pairs.map { $1.started - $0.submitted }.sorted()
        let (first, last) = (workload.entries.first?.submitted ?? 0, workload.entries.last?.submitted ?? 0)
        jobs = pairs.count
        unstarted = outcomes.count - pairs.count
        promises = pairs.count { $1.promised != nil }
        brokenPromises = Double(pairs.count { $1.started > $1.promised ?? .max }) / count
        meanWait = Double(waits.reduce(0, +)) / count
        medianWait = Self.quantile(waits, 0.5)
        p95Wait = Self.quantile(waits, 0.95)
        maximumWait = waits.last ?? 0
        meanBoundedSlowdown =
            pairs.reduce(0) { sum, pair in
                let run = pair.0.runTime
                return sum + max(1, Double(pair.1.started - pair.0.submitted + run) / Double(max(run, 10)))
            } / count
        let used = pairs.reduce(0) { sum, pair in
            sum + max(0, min(pair.1.started + pair.0.runTime, last) - max(pair.1.started, first)) * pair.0.traits.ranks
        }
        utilisation = last > first ? Double(used) / Double(slots * (last - first)) : 0
        makespan = (pairs.map { $1.started + $0.runTime }.max() ?? first) - first
        let errors = pairs.map { abs($1.prediction.expected - $0.runTime) }
        let relative = zip(errors, pairs).map { Double($0) / Double($1.0.runTime) }.sorted()
        medianPredictionError = relative.isEmpty ? 0 : relative[(relative.count - 1) / 2]
        let area = pairs.reduce(0) { $0 + $1.0.runTime * $1.0.traits.ranks }
        weightedPredictionError = Double(zip(errors, pairs).reduce(0) { $0 + $1.0 * $1.1.0.traits.ranks }) / Double(max(1, area))
        p95Coverage = Double(pairs.count { $0.runTime <= $1.prediction.p95 }) / count
        forecasts = Forecasts(
            pairs.compactMap { entry, outcome in outcome.forecast.map { ($0, Double(max(1, outcome.started - entry.submitted))) } })
    }

    private static func quantile(_ sorted: [Int], _ part: Double) -> Int {
        sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]
    }
}

extension ScheduleMetrics.Forecasts {
    fileprivate init?(_ pairs: [(forecast: WaitForecast, wait: Double)]) {
        guard !pairs.isEmpty else { return nil }
        func median(_ value: (WaitForecast, Double) -> Double) -> Double {
            pairs.map { value($0.forecast, $0.wait) }.sorted()[pairs.count / 2]
        }
        jobs = pairs.count
        coverage = Double(pairs.count { $0.wait <= Double($0.forecast.p95) }) / Double(jobs)
        medianBound = median { Double($0.p95) / $1 }
        totalBound = pairs.reduce(0) { $0 + Double($1.forecast.p95) } / pairs.reduce(0) { $0 + $1.wait }
        medianError = median { abs(Double($0.p50) - $1) / $1 }
    }
}
