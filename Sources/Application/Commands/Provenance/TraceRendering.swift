// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// A trace as a tree: the datum asked for at the root, under each datum what it was derived from (or what came of it).
enum TraceRendering {
    static func table(_ trace: Trace) -> Table {
        let steps = Dictionary(trace.steps.map { ($0.datum.id, $0) }, uniquingKeysWith: { first, _ in first })
        var table = Table(">DEPTH", "DATUM", "PE", "PORT", ">SIZE", "LOCATION")
        // Datum, depth, what is drawn before it, and before those below it. A stack of its own: a lineage may be very deep.
        var pending: [(datum: DatumReference, depth: Int, branch: String, below: String)] = [(trace.datum, 0, "", "")]
        var shown: Set<DatumReference> = []
        while let (datum, depth, branch, below) = pending.popLast() {
            let label = datum.run == trace.datum.run && datum.attempt == trace.datum.attempt ? datum.datum.description : datum.description
            guard let step = steps[datum] else {
                table.append("\(depth)", "\(branch)\(label)", "…", "", "", "")
                continue
            }
            let again = !shown.insert(datum).inserted
            let record = step.datum
            table.append(
                "\(depth)", "\(branch)\(label)", "\(record.element)[\(record.instance)]", "\(record.port)", "\(Format.size(record.size))",
                again && !step.related.isEmpty ? "(as above)" : "\(DatumRendering.location(record))")
            if again { continue }
            for (index, related) in step.related.enumerated().reversed() {
                let isLast = index == step.related.count - 1
                pending.append((related, depth + 1, below + (isLast ? "└─ " : "├─ "), below + (isLast ? "   " : "│  ")))
            }
        }
        return table
    }
}

enum DatumRendering {
    /// Where a PE said it put the datum; for an input of the run, its value.
    static func location(_ record: DatumRecord) -> String {
        if let location = record.attributes?["location"]?.stringValue { return location }
        if let value = record.attributes?["value"] { return Format.shortened(Format.compact(value), to: 60) }
        return "-"
    }

    static func table(_ records: [DatumRecord]) -> Table {
        var table = Table("DATUM", "PE", "PORT", ">SIZE", "AT", "LOCATION")
        for record in records {
            table.append(
                "\(record.id.description)", "\(record.element)[\(record.instance)]", "\(record.port)", "\(Format.size(record.size))",
                "\(Format.time(record.at))", "\(location(record))")
        }
        return table
    }
}
