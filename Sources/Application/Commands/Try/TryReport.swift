// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// How a try ended, for programs.
struct TryReport: Encodable {
    var state: RunState
    /// From the start of the ranks to their end.
    var seconds: Double
    var plan: Plan
    var elements: [ElementProfile]
    /// Data that failed and were skipped.
    var skipped: Int64
    /// By PE id and port.
    var outputs: [String: [String: [JSONValue]]]
    /// Results that were too many to keep.
    var omitted: Int?
    var failure: FailureReport?
}

/// How a try ended, for people.
enum TryRendering {
    private static let maximumValues = 1000

    /// What was written to outputs that no edge reads: one value a line.
    static func outputs(_ outputs: [(element: String, port: String, values: [String])]) -> String {
        outputs.flatMap { element, port, values in
            let more = values.count - maximumValues
            return values.prefix(maximumValues).map { "\(element).\(port): \($0)".printableLines }
                + (more > 0 ? ["\(element).\(port): … and \(more) more (-o json shows all)"] : [])
        }.joined(separator: "\n")
    }

    static func table(_ profiles: [ElementProfile]) -> Table {
        var table = Table("PE", ">INSTANCES", ">CALLS", ">IN", ">OUT", ">MEDIAN", ">P95", ">BUSY", ">BLOCKED", ">BYTES OUT")
        for profile in profiles {
            table.append(
                Table.Cell(profile.element), "\(profile.instances)", "\(profile.calls)", "\(profile.itemsIn)", "\(profile.itemsOut)",
                "\(profile.median.map(time) ?? "-")", "\(profile.p95.map(time) ?? "-")", "\(time(profile.busy))",
                "\(time(profile.blocked))", "\(Format.size(profile.bytesOut))")
        }
        return table
    }

    /// What the user should know beside the results.
    static func notes(_ profiles: [ElementProfile], graph: WorkflowGraph, omitted: Int) -> [String] {
        var notes: [String] = []
        let skipped = profiles.filter { $0.skipped > 0 }
        if !skipped.isEmpty {
            let total = skipped.reduce(0) { $0 + $1.skipped }
            let list = skipped.map { "\($0.element) \($0.skipped)" }.joined(separator: ", ")
            notes.append("\(total) \(total == 1 ? "datum" : "data") failed and \(total == 1 ? "was" : "were") skipped: \(list)")
        }
        for profile in profiles {
            guard let changed = profile.changed, profile.instances > 1,
                let element = graph.elements.first(where: { $0.id == profile.element }),
                !graph.edges.filter({ $0.to == element.id }).allSatisfy({ if case .byKey = graph.grouping(of: $0) { true } else { false } })
            else { continue }
            notes.append(
                "\(profile.element) changes \(changed.joined(separator: ", ")) in its calls, and each of its \(profile.instances) instances "
                    + "sees some of the data only: declare stateful = False if that does not matter, group its input, or set single = True")
        }
        if omitted > 0 { notes.append("\(omitted) results are not shown: they are too large to keep") }
        return notes
    }

    private static func time(_ seconds: Double) -> String {
        if seconds > 0, seconds < 0.000_099_95 {
            let tenths = Int((seconds * 1e7).rounded())
            return "\(tenths / 10).\(tenths % 10) µs"
        }
        return Format.duration(seconds)
    }
}
