// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

enum ForecastRendering {
    static func describe(_ forecast: RunWaitForecast) -> String {
        var fields = Fields()
        func wait(_ seconds: Int?) -> String { seconds.map { Format.duration(Double($0)) } ?? "not known" }
        if forecast.starts {
            fields.add("waits", wait(forecast.p50) + (forecast.expectedStart.map { ", until \(Format.time($0))" } ?? ""))
            fields.add("19 of 20 times at most", wait(forecast.p95) + (forecast.latestStart.map { ", until \(Format.time($0))" } ?? ""))
        } else {
            fields.add("waits", "for ever, as things are")
        }
        fields.add("note", forecast.note)
        return fields.render()
    }

    /// A row for each of the figures, with its title.
    static func describe(_ basis: ForecastBasis, _ rows: [(title: String, figures: QueueFigures)]) -> String {
        var table = Table("", ">RUNS", ">NEVER START", ">MEAN WAIT", ">P50", ">P95", ">IN USE")
        for (title, figures) in rows {
            table.append(
                "\(title)", "\(count(figures.jobs))", "\(count(figures.unstarted))", "\(Format.duration(figures.meanWait))",
                "\(wait(figures.p50Wait))", "\(wait(figures.p95Wait))", "\(Int((figures.utilisation * 100).rounded())) %")
        }
        let futures = "\(Format.count(basis.futures, "future")) of \(Format.duration(Double(basis.horizon)))"
        let first = "\(futures), from \(Format.time(basis.at)) on, by \(Format.count(basis.pastRuns, "run")) that ended"
        return ([first, table.render(.output)] + [basis.note?.printable].compactMap(\.self)).joined(separator: "\n")
    }

    static func describe(_ answer: AdviceAnswer) -> String {
        let advice = answer.advice
        let nodes = Format.count(advice.count, "node")
        let first =
            switch advice.action {
            case .add: "Add \(nodes) like \(advice.like)"
            case .drain: "Drain \(nodes): \(advice.nodes.joined(separator: " "))"
            case .none: answer.isReached ? "Leave the nodes as they are" : "The target cannot be reached by adding nodes"
            }
        let cost = answer.nodeHours == 0 ? "" : " (\(answer.nodeHours < 0 ? "saves " : "")\(count(abs(answer.nodeHours))) node-hours)"
        return "\((first + cost + ": " + advice.reason).printable).\n"
            + describe(answer.basis, [("AS IT IS", answer.base), ("ADVISED", advice.figures)])
    }

    private static func wait(_ seconds: Int?) -> String { seconds.map { Format.duration(Double($0)) } ?? "never" }

    /// With one place after the point where it is no whole number.
    private static func count(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
