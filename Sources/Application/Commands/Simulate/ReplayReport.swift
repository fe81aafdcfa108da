// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Scheduling
import WorkflowModel

/// What is said of a history beside its simulation: what was left out, and how the same jobs truly went.
struct ReplayReport: Encodable {
    /// Figures of ``ScheduleMetrics`` that follow from starts alone.
    struct Actual: Encodable {
        var meanWait: Double
        var medianWait: Int
        var p95Wait: Int
        var maximumWait: Int
        var meanBoundedSlowdown: Double
        /// Part of the slots that the cluster has now.
        var utilisation: Double
        var makespan: Int

        init(_ metrics: ScheduleMetrics) {
            meanWait = metrics.meanWait
            medianWait = metrics.medianWait
            p95Wait = metrics.p95Wait
            maximumWait = metrics.maximumWait
            meanBoundedSlowdown = metrics.meanBoundedSlowdown
            utilisation = metrics.utilisation
            makespan = metrics.makespan
        }

        private enum CodingKeys: String, CodingKey {
            case utilisation, makespan
            case meanWait = "mean_wait"
            case medianWait = "median_wait"
            case p95Wait = "p95_wait"
            case maximumWait = "maximum_wait"
            case meanBoundedSlowdown = "mean_bounded_slowdown"
        }
    }

    /// Those that were left out too.
    var attempts: Int
    var leftOut: RecordedWorkload.LeftOut
    /// Of those that were simulated.
    var firstQueued: Date
    var lastQueued: Date
    var actual: Actual

    /// - Parameter slots: of the cluster as it is.
    init(_ history: RecordedWorkload, slots: Int) {
        let entries = history.workload.entries
        func time(_ seconds: Int) -> Date { Date(timeIntervalSince1970: Double(history.origin + seconds)) }
        attempts = entries.count + history.leftOut.count
        leftOut = history.leftOut
        firstQueued = time(entries.first?.submitted ?? 0)
        lastQueued = time(entries.last?.submitted ?? 0)
        actual = Actual(ScheduleMetrics(history.workload, history.outcomes, slots: slots))
    }

    private enum CodingKeys: String, CodingKey {
        case attempts, actual
        case leftOut = "left_out"
        case firstQueued = "first_queued"
        case lastQueued = "last_queued"
    }

    /// With the simulation beside what truly happened.
    func description(beside metrics: ScheduleMetrics) -> String {
        var fields = Fields()
        fields.add("History", "\(Format.count(attempts, "attempt")), queued from \(Format.time(firstQueued)) to \(Format.time(lastQueued))")
        fields.add("Left out", leftOut.description)
        var table = Table("", ">MEAN WAIT", ">MEDIAN", ">P95", ">LONGEST", ">SLOWDOWN", ">UTILISATION")
        for (title, figures) in [("ACTUAL", actual), ("REPLAY", Actual(metrics))] {
            table.append(
                "\(title)", "\(figures.meanWait.rounded(to: 1)) s", "\(figures.medianWait) s", "\(figures.p95Wait) s",
                "\(figures.maximumWait) s", "\(figures.meanBoundedSlowdown.rounded(to: 3))",
                "\((figures.utilisation * 100).rounded(to: 2)) %")
        }
        return fields.render() + "\n\n" + table.render(.output)
    }
}

extension RecordedWorkload.LeftOut: CustomStringConvertible {
    package var description: String {
        guard count > 0 else { return "none" }
        return
            "\(tooLarge) too large (more ranks than there are slots), \(neverFits) that never fit (labels, architecture, memory or nodes)"
    }
}
