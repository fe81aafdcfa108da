// SPDX-License-Identifier: Apache-2.0

import Foundation
import Metrics
import Storage
import WorkflowModel

/// What the scheduler does, and how good predictions turned out, of this server since it began.
package enum ServiceMetrics {
    package struct Description: Sendable {
        package var name: String
        package var help: String
        package var buckets: [Double]?
    }

    static let pass = "weft_scheduler_pass_seconds"
    static let waiting = "weft_scheduler_waiting_runs"
    static let started = "weft_scheduler_started_total"
    static let promised = "weft_scheduler_promises_made_total"
    static let dropped = "weft_scheduler_promises_dropped_total"
    static let broken = "weft_scheduler_promises_broken_total"
    static let ratio = "weft_prediction_ratio"
    static let scored = "weft_predictions_scored_total"

    /// For the registry; before the first use.
    package static let descriptions = [
        Description(
            name: pass, help: "Time to decide which runs start, with forecasts of waits, in seconds.",
            buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]),
        Description(name: waiting, help: "Runs that wait in this server's scheduler; 0 where another server schedules."),
        Description(name: started, help: "Attempts of runs that the scheduler started."),
        Description(name: promised, help: "Promises of a latest start."),
        Description(name: dropped, help: "Promises that ended before their runs did start, by orders, quotas or lost nodes."),
        Description(name: broken, help: "Runs that started more than 5 s later than they were promised."),
        Description(
            name: ratio, help: "Median that was predicted, over what it came to.",
            buckets: [0.1, 0.25, 0.5, 0.67, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 4, 10]),
        Description(name: scored, help: "Predictions of which it is known what they came to."),
    ]

    /// Those of whole runs.
    static func count(_ predictions: [Prediction]) {
        for prediction in predictions where prediction.element == nil {
            guard let actual = prediction.actual else { continue }
            let labels = [("kind", prediction.kind.rawValue), ("basis", prediction.basis.rawValue)]
            Counter(label: scored, dimensions: labels + [("within_p95", "\(actual <= prediction.p95)")]).increment()
            if actual > 0 { Recorder(label: ratio, dimensions: labels).record(prediction.p50 / actual) }
        }
    }
}

struct SchedulerMetrics: Sendable {
    /// Passes are a second apart, and take some time: what is so much late has not lost its promise.
    private static let leniency = 5.0

    private let pass = Recorder(label: ServiceMetrics.pass)
    private let waiting = Meter(label: ServiceMetrics.waiting)
    private let started = Counter(label: ServiceMetrics.started)
    private let promised = Counter(label: ServiceMetrics.promised)
    private let dropped = Counter(label: ServiceMetrics.dropped)
    private let broken = Counter(label: ServiceMetrics.broken)

    func passed(in duration: Duration) { pass.record(duration / .seconds(1)) }

    func wait(_ runs: Int) { waiting.set(runs) }

    func stored(_ decisions: SchedulerSession.Decisions, _ started: [SchedulerSession.Started], at time: Date) {
        self.started.increment(by: started.count)
        promised.increment(by: decisions.promises.count { $0.value != nil })
        dropped.increment(by: decisions.promises.count { $0.value == nil && !decisions.missed.contains($0.key) })
        broken.increment(by: decisions.missed.count)
        broken.increment(by: started.count { $0.promised.map { time.timeIntervalSince($0) > Self.leniency } ?? false })
        ServiceMetrics.count(started.compactMap(\.wait))
    }
}
