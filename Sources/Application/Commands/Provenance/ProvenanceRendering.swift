// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// What the PEs of a run did, as tables.
enum ProvenanceRendering {
    static func table(_ summary: ProvenanceSummary) -> Table {
        var table = Table("PE", ">INSTANCES", ">CALLS", ">FAILED", ">IN", ">OUT", ">BYTES", ">BUSY", ">SPAN")
        for element in summary.elements {
            let instances = element.instances
            let sum: (KeyPath<InstanceSummary, Int64>) -> Int64 = { path in instances.reduce(0) { $0 + $1[keyPath: path] } }
            table.append(
                "\(element.element)", "\(instances.count)", "\(sum(\.invocations))", failed(sum(\.failed)), "\(sum(\.dataIn))",
                "\(sum(\.dataOut))", "\(Format.size(sum(\.bytesOut)))",
                "\(Format.duration(instances.reduce(0) { $0 + $1.busySeconds }))",
                "\(span(instances.compactMap(\.firstAt).min(), instances.compactMap(\.lastAt).max()))")
        }
        return table
    }

    static func instances(_ summary: ProvenanceSummary) -> Table {
        var table = Table("PE", ">INSTANCE", ">RANK", ">CALLS", ">FAILED", ">IN", ">OUT", ">BYTES", ">BUSY", ">SPAN")
        for element in summary.elements {
            for instance in element.instances {
                table.append(
                    "\(element.element)", "\(instance.instance)", "\(instance.rank)", "\(instance.invocations)", failed(instance.failed),
                    "\(instance.dataIn)", "\(instance.dataOut)", "\(Format.size(instance.bytesOut))",
                    "\(Format.duration(instance.busySeconds))", "\(span(instance.firstAt, instance.lastAt))")
            }
        }
        return table
    }

    private static func failed(_ count: Int64) -> Table.Cell { Table.Cell("\(count)", colour: count > 0 ? .red : nil) }

    private static func span(_ first: Date?, _ last: Date?) -> String {
        guard let first, let last else { return "-" }
        return Format.duration(last.timeIntervalSince(first))
    }
}
