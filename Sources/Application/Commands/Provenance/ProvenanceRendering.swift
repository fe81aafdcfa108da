// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// What the PEs of a run did, as tables.
enum ProvenanceRendering {
    static func table(_ summary: ProvenanceSummary) -> Table {
        var table = Table(
            "PE", ">INSTANCES", ">CALLS", ">FAILED", ">SKIPPED", ">RETRIED", ">IN", ">OUT", ">BYTES", ">BUSY", ">MEDIAN", ">P95",
            ">BLOCKED",
            ">SPAN")
        for element in summary.elements {
            let instances = element.instances
            let sum: (KeyPath<InstanceSummary, Int64>) -> Int64 = { path in instances.reduce(0) { $0 + $1[keyPath: path] } }
            let blocked = instances.compactMap(\.blockedSeconds)
            // Of the slowest instance: what percentiles of several come to together cannot be told.
            table.append(
                "\(element.element)", "\(instances.count)", "\(sum(\.invocations))", failed(sum(\.failed)), skipped(sum(\.skipped)),
                skipped(sum(\.retried)), "\(sum(\.dataIn))", "\(sum(\.dataOut))", "\(Format.size(sum(\.bytesOut)))",
                "\(Format.duration(instances.reduce(0) { $0 + $1.busySeconds }))", time(instances.compactMap(\.medianSeconds).max()),
                time(instances.compactMap(\.p95Seconds).max()), time(blocked.isEmpty ? nil : blocked.reduce(0, +)),
                "\(span(instances.compactMap(\.firstAt).min(), instances.compactMap(\.lastAt).max()))")
        }
        return table
    }

    static func instances(_ summary: ProvenanceSummary) -> Table {
        var table = Table(
            "PE", ">INSTANCE", ">RANK", ">CALLS", ">FAILED", ">SKIPPED", ">RETRIED", ">IN", ">OUT", ">BYTES", ">BUSY", ">MEDIAN", ">P95",
            ">BLOCKED", ">SPAN")
        for element in summary.elements {
            for instance in element.instances {
                table.append(
                    "\(element.element)", "\(instance.instance)", "\(instance.rank)", "\(instance.invocations)", failed(instance.failed),
                    skipped(instance.skipped), skipped(instance.retried), "\(instance.dataIn)", "\(instance.dataOut)",
                    "\(Format.size(instance.bytesOut))", "\(Format.duration(instance.busySeconds))", time(instance.medianSeconds),
                    time(instance.p95Seconds), time(instance.blockedSeconds), "\(span(instance.firstAt, instance.lastAt))")
            }
        }
        return table
    }

    static func failures(_ failures: [FailedInvocation]) -> Table {
        var table = Table("DATUM", "PE", "PORT", ">RANK", "CALL", "OUTCOME", "AT", ">TIME")
        for failure in failures {
            table.append(
                "\(failure.datum?.description ?? "-")", "\(failure.element)[\(failure.instance)]", "\(failure.port ?? "-")",
                "\(failure.rank)", "\(failure.kind)",
                Table.Cell(failure.outcome.rawValue, colour: failure.outcome == .failed ? .red : .yellow),
                "\(Format.time(failure.startedAt))",
                "\(Format.duration(failure.seconds))")
        }
        return table
    }

    private static func failed(_ count: Int64) -> Table.Cell { Table.Cell("\(count)", colour: count > 0 ? .red : nil) }

    private static func skipped(_ count: Int64) -> Table.Cell { Table.Cell("\(count)", colour: count > 0 ? .yellow : nil) }

    private static func time(_ seconds: Double?) -> Table.Cell { Table.Cell(seconds.map(Format.duration) ?? "-") }

    private static func span(_ first: Date?, _ last: Date?) -> String {
        guard let first, let last else { return "-" }
        return Format.duration(last.timeIntervalSince(first))
    }
}
