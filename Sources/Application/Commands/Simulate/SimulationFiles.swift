// SPDX-License-Identifier: Apache-2.0

import Foundation
import Scheduling
import WorkflowModel

/// What `weft simulate --out` leaves behind.
struct SimulationFiles {
    var folder: String

    /// - Parameter log: the workload in the Standard Workload Format, where it did not come in it.
    func write(
        _ workload: Workload, _ outcomes: [Simulation.Outcome], _ report: SimulationReport, _ timeline: Timeline, slots: Int, log: [UInt8]?
    ) throws {
        do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
            throw CommandFailure("The folder '\(folder)' cannot be made: \(error.localizedDescription)")
        }
        try write(
            "schedule.csv",
            rows("id,submit,start,end", workload, outcomes) { entry, outcome in
                [entry.name, entry.submitted, outcome.started, outcome.started + entry.runTime]
            })
        try write(
            "predictions.csv",
            rows("id,expected,p90,p95,actual", workload, outcomes) { entry, outcome in
                [entry.name, outcome.prediction.expected, outcome.prediction.p90, outcome.prediction.p95, entry.runTime]
            })
        if report.metrics.forecasts != nil {
            try write(
                "waits.csv",
                rows("id,p50,bound,wait", workload, outcomes) { entry, outcome in
                    outcome.forecast.map { [entry.name, $0.p50, $0.p95, outcome.started - entry.submitted] }
                })
        }
        try write("metrics.json", WireJSON.encode(report, pretty: true) + [UInt8(ascii: "\n")])
        if let log { try write("history.swf", log) }
        try write("picture.svg", Array(SchedulePicture(timeline: timeline, slots: slots, title: report.title).svg.utf8))
    }

    private func rows(
        _ header: String, _ workload: Workload, _ outcomes: [Simulation.Outcome], _ row: (Workload.Entry, Simulation.Outcome) -> [Int]?
    ) -> [UInt8] {
        var bytes = Array(header.utf8)
        bytes.reserveCapacity(outcomes.count * 32)
        bytes.append(UInt8(ascii: "\n"))
        for (entry, outcome) in zip(workload.entries, outcomes) {
            guard let values = row(entry, outcome) else { continue }
            for (index, value) in values.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += String(value).utf8
            }
            bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws {
        do { try Data(bytes).write(to: URL(fileURLWithPath: folder).appendingPathComponent(name), options: .atomic) } catch {
            throw CommandFailure("'\(folder)/\(name)' cannot be written: \(error.localizedDescription)")
        }
    }
}

extension SimulationReport {
    var title: String { "\(policy.rawValue), run times from \(predictor.rawValue), \(metrics.jobs) jobs on \(slots) slots" }
}
