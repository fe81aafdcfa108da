// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// A plan for people: what runs together, on which ranks, and why.
enum PlanRendering {
    /// - Parameter explains: with all that is expected, and where that comes from.
    static func describe(_ planned: PlannedRun, explains: Bool = false) -> String {
        let plan = planned.plan
        let name: (Int) -> String = { planned.elements.indices.contains($0) ? planned.elements[$0] : "#\($0)" }
        var text = "\(planned.graph.description): \(Format.count(plan.ranks, "rank"))"
        if plan.ranks != plan.ranksRequested { text += " of \(plan.ranksRequested) requested" }
        text += ", \(plan.layout.rawValue), \(planned.resources.memoryPerRank) MiB a rank"
        if let nodes = planned.nodes { text += ", \(Format.count(nodes, "node"))" }
        text += "\n\n"

        var stages = Table("STAGE", "PES", ">WORKERS", "RANKS")
        for (index, stage) in plan.stages.enumerated() {
            let ranks = plan.workers.filter { $0.stage == index }.map(\.rank)
            stages.append(
                "\(index)", "\(stage.elements.map(name).joined(separator: " > "))", "\(stage.workers)", "\(Self.ranges(ranks))")
        }
        text += stages.render() + "\n\n"

        var ranks = Table("RANK", "WORKERS")
        for rank in 0..<max(0, plan.ranks) {
            let workers = plan.workers(onRank: rank).map { number in
                let worker = plan.workers[number]
                return "stage \(worker.stage)" + (plan.stages[worker.stage].workers > 1 ? " #\(worker.replica)" : "")
            }
            ranks.append("\(rank)", "\(workers.isEmpty ? "-" : workers.joined(separator: ", "))")
        }
        text += ranks.render()

        if let alternatives = planned.alternatives { text += "\n\n" + table(alternatives).render() }
        if explains {
            text += "\n\n" + (planned.predictions.isEmpty ? "nothing is known of earlier runs" : table(planned.predictions).render())
        }

        let reasons =
            plan.stages.enumerated().flatMap { index, stage in stage.reasons.map { "  stage \(index): \($0)" } }
            + plan.reasons.map { "  \($0)" }
        if !reasons.isEmpty { text += "\n\nwhy\n" + reasons.map(\.printable).joined(separator: "\n") }
        return text
    }

    private static func table(_ alternatives: [Alternative]) -> Table {
        var table = Table(
            ">RANKS", ">NODES", ">WAIT", ">P95", ">RUN TIME", ">P95", ">WAIT+RUN", ">CORE-HOURS", ">P95", ">MIB A RANK", ">P95", "")
        for alternative in alternatives {
            let (wait, memory) = (alternative.wait, alternative.memoryPerRank)
            table.append(
                "\(alternative.ranks)", "\(alternative.nodes.map(String.init) ?? "-")",
                "\(wait.map { Format.duration($0.p50) } ?? "-")", "\(wait.map { Format.duration($0.p95) } ?? "-")",
                "\(Format.duration(alternative.runTime.p50))", "\(Format.duration(alternative.runTime.p95))",
                "\(wait.map { Format.duration($0.p50 + alternative.runTime.p50) } ?? "-")",
                "\(short(alternative.coreHours.p50))", "\(short(alternative.coreHours.p95))",
                "\(memory.map { short($0.p50) } ?? "-")", "\(memory.map { short($0.p95) } ?? "-")",
                "\(alternative.isChosen ? "chosen" : "")")
        }
        return table
    }

    private static func table(_ predictions: [Prediction]) -> Table {
        var table = Table("PE", "WHAT", ">P50", ">P90", ">P95", "FROM", ">RUNS", "MODEL")
        for prediction in predictions {
            table.append(
                "\(prediction.element ?? "the run")", "\(prediction.kind.rawValue)", "\(short(prediction.p50))",
                "\(prediction.p90.map(short) ?? "-")",
                "\(short(prediction.p95))", "\(prediction.basis.rawValue)", "\(prediction.runs.count + (prediction.others ?? 0))",
                "\(prediction.model)")
        }
        return table
    }

    /// With three digits that tell.
    private static func short(_ value: Double) -> String {
        guard value > 0, value < 1e15 else { return "0" }
        var scale = 1.0
        while value * scale < 100, scale < 1e9 { scale *= 10 }
        let rounded = (value * scale).rounded() / scale
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }

    /// `0-2, 5`
    static func ranges(_ numbers: [Int]) -> String {
        var ranges: [ClosedRange<Int>] = []
        for number in Set(numbers).sorted() {
            if let last = ranges.last, last.upperBound == number - 1 {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
        return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ", ")
    }
}
