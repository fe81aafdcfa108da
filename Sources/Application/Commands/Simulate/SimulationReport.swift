// SPDX-License-Identifier: Apache-2.0

import Scheduling
import WorkflowModel

/// What a simulation came to.
struct SimulationReport: Encodable, CustomStringConvertible {
    var policy: NamedPolicy
    var predictor: RunTimeSource
    var nodes: Int
    var slots: Int
    var metrics: ScheduleMetrics
    var passes: Int
    var longestQueue: Int
    /// That the simulation took.
    var seconds: Double
    /// `nil`: a log was simulated.
    var history: ReplayReport?

    private enum CodingKeys: String, CodingKey {
        case policy, predictor, nodes, slots, metrics, passes, seconds, history
        case longestQueue = "longest_queue"
    }

    var description: String {
        var fields = Fields()
        fields.add("Policy", "\(policy.rawValue), run times from \(predictor.rawValue)")
        fields.add("Machine", "\(nodes) nodes, \(slots) slots")
        fields.add("Jobs", "\(metrics.jobs)")
        fields.add(
            "Mean wait",
            "\(metrics.meanWait.rounded(to: 1)) s (median \(metrics.medianWait), p95 \(metrics.p95Wait), longest \(metrics.maximumWait))")
        fields.add("Mean bounded slowdown", "\(metrics.meanBoundedSlowdown.rounded(to: 3))")
        fields.add("Utilisation", "\((metrics.utilisation * 100).rounded(to: 2)) %")
        fields.add("Longest queue", "\(longestQueue) jobs")
        fields.add(
            "Predictions",
            "median error \((metrics.medianPredictionError * 100).rounded(to: 1)) %, weighted by area \(metrics.weightedPredictionError.rounded(to: 3)), p95 held for \((metrics.p95Coverage * 100).rounded(to: 1)) %"
        )
        if let forecasts = metrics.forecasts {
            fields.add(
                "Forecasts of waits",
                "\(forecasts.jobs) jobs; bound held for \((forecasts.coverage * 100).rounded(to: 1)) %, bound/wait median \(forecasts.medianBound.rounded(to: 2)), of the sums \(forecasts.totalBound.rounded(to: 2)); p50 median error \((forecasts.medianError * 100).rounded(to: 1)) %"
            )
        }
        fields.add("Simulated in", "\(seconds.rounded(to: 2)) s, \(passes) passes")
        return fields.render() + (history.map { "\n\n" + $0.description(beside: metrics) } ?? "")
    }
}

extension Double {
    /// With so many decimals.
    func rounded(to decimals: Int) -> Double {
        let scale = (0..<decimals).reduce(1.0) { scale, _ in scale * 10 }
        return (self * scale).rounded() / scale
    }
}
