// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// A plan for people: what runs together, on which ranks, and why.
enum PlanRendering {
    static func describe(_ planned: PlannedRun) -> String {
        let plan = planned.plan
        let name: (Int) -> String = { planned.elements.indices.contains($0) ? planned.elements[$0] : "#\($0)" }
        var text = "\(planned.graph.description): \(Format.count(plan.ranks, "rank"))"
        if plan.ranks != plan.ranksRequested { text += " of \(plan.ranksRequested) requested" }
        text += ", \(plan.layout.rawValue), \(planned.resources.memoryPerRank) MiB a rank\n\n"

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

        let reasons =
            plan.stages.enumerated().flatMap { index, stage in stage.reasons.map { "  stage \(index): \($0)" } }
            + plan.reasons.map { "  \($0)" }
        if !reasons.isEmpty { text += "\n\nwhy\n" + reasons.map(\.printable).joined(separator: "\n") }
        return text
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
