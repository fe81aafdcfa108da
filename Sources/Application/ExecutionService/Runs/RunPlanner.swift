// SPDX-License-Identifier: Apache-2.0

import Planning
import Prediction
import WorkflowModel

/// How a run is laid out, and what is expected of it.
struct LaidOutRun {
    var plan: Plan
    /// MiB.
    var memoryPerRank: Int
    var predictions: [Prediction]
    var alternatives: [Alternative]?
    /// Of the alternatives, in their order: the plan, and the MiB that a rank is to have.
    var candidates: [(plan: Plan, memoryPerRank: Int)] = []
}

/// Joins what earlier runs have cost with the planner: lays a run out by it, and chooses the number of ranks.
struct RunPlanner {
    private static let namedRuns = 5

    let graph: WorkflowGraph
    let layout: Layout
    /// Costs that the request brings along.
    let given: Costs?
    let usesHistory: Bool
    let predictor: RunPredictor
    /// MiB, as the request has it.
    let memoryPerRank: Int?
    let defaultMemoryPerRank: Int
    /// Runs that whoever asks may know of.
    let visible: Set<RunID>
    /// Whether the nodes have so many MiB for each rank.
    let fits: (Plan, _ memoryPerRank: Int) -> Bool

    private var costs: Costs? { given ?? (usesHistory ? predictor.costs : nil) }

    func plan(ranks: Int) throws(Problem) -> LaidOutRun {
        var layout = try layOut(ranks: ranks)
        layout.plan.reasons += reasons(layout)
        return layout
    }

    /// - Throws: `Problem` where nothing can be chosen.
    func plan(upTo maximum: Int, for goal: PlanGoal) throws(Problem) -> LaidOutRun {
        guard graph.application == nil else {
            throw Problem(
                .invalid, "An MPI application has as many ranks as it is given: Weft cannot choose.",
                errors: [.init("/ranks", "write a number")])
        }
        var layouts: [LaidOutRun] = []
        var alternatives: [Alternative] = []
        for ranks in costs == nil ? [maximum] : RankChoice.candidates(upTo: maximum) {
            let layout = try layOut(ranks: ranks, comparable: true)
            // More ranks than workers are not used.
            if layouts.last?.plan.ranks == layout.plan.ranks { continue }
            layouts.append(layout)
            if let alternative = layout.alternative { alternatives.append(alternative) }
        }
        guard costs != nil, alternatives.count == layouts.count else {
            var layout = layouts[layouts.count - 1]
            layout.plan.reasons.append(
                "nothing is known of what this graph costs: its \(layout.plan.ranks == 1 ? "worker has its rank" : "workers have a rank each") "
                    + "as far as there are ranks; once a run has succeeded, the number of ranks is chosen by what that took")
            layout.plan.reasons += reasons(layout)
            return layout
        }
        let (place, reason) = RankChoice.choose(alternatives, for: goal)
        alternatives[place].isChosen = true
        var layout = layouts[place]
        layout.alternatives = alternatives
        layout.candidates = zip(layouts, alternatives).map { ($0.plan, wantedMemory($1)) }
        layout.plan.reasons.append(reason)
        let (plan, wanted) = layout.candidates[place]
        if wanted > layout.memoryPerRank {
            layout.memoryPerRank = Self.mostMemory(from: layout.memoryPerRank, upTo: wanted) { fits(plan, $0) }
            if layout.memoryPerRank < wanted {
                layout.plan.reasons.append(
                    "a rank gets \(layout.memoryPerRank) MiB, as much as the nodes have for each of \(count(layout.plan.ranks)), and not \(wanted)"
                )
            }
        }
        layout.plan.reasons += reasons(layout)
        return layout
    }

    /// MiB: what ranks were seen to need, where the request says nothing.
    private func wantedMemory(_ alternative: Alternative) -> Int {
        guard memoryPerRank == nil, let needed = alternative.memoryPerRank?.p95 else { return memoryPerRank ?? defaultMemoryPerRank }
        return max(defaultMemoryPerRank, min(Int(needed.rounded(.up)), ResourceRequest.memories.upperBound))
    }

    /// What was learned must not make a run impossible that nobody asked so much for. Where not even the least fits, it is not to blame.
    static func mostMemory(from least: Int, upTo wanted: Int, fits: (Int) -> Bool) -> Int {
        if fits(wanted) || !fits(least) { return wanted }
        var (low, high) = (least, wanted)
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if fits(middle) { low = middle } else { high = middle }
        }
        return low
    }

    private func count(_ ranks: Int) -> String { "\(ranks) rank\(ranks == 1 ? "" : "s")" }

    private func layOut(ranks: Int, comparable: Bool = false) throws(Problem) -> LaidOutRun {
        let plan = try Planner.plan(graph, ranks: ranks, layout: layout, costs: costs)
        return LaidOutRun(
            plan: plan, memoryPerRank: memoryPerRank ?? defaultMemoryPerRank,
            predictions: predictor.predictions(of: plan, comparable: comparable) + predictor.elements)
    }

    private func reasons(_ layout: LaidOutRun) -> [String] {
        var reasons: [String] = []
        if given == nil, costs != nil {
            let runs = Set(predictor.elements.flatMap(\.runs))
            let known = Set(predictor.elements.compactMap(\.element)).count
            reasons.append("what \(known) of \(graph.elements.count) PEs cost was learned from \(names(runs))")
        }
        if let time = layout.predictions.first(where: { $0.kind == .runTime }) {
            let source = time.basis == .limit ? "its limit; no run tells more" : "from \(names(Set(time.runs))), \(time.basis.sentence)"
            reasons.append(
                "expected are \(seconds(time.p50)) s of run time, in 19 of 20 runs no more than \(seconds(time.p95)) s: \(source)")
        }
        if let memory = layout.predictions.first(where: { $0.kind == .memoryPerRank }), memory.p95 > Double(layout.memoryPerRank) {
            reasons.append(
                "a rank is expected to hold \(Int(memory.p50)) MiB, in 19 of 20 runs no more than \(Int(memory.p95.rounded(.up))) MiB: "
                    + "the \(layout.memoryPerRank) MiB that it has may be too little")
        }
        return reasons
    }

    /// The latest ones by name.
    private func names(_ runs: Set<RunID>) -> String {
        let named = runs.intersection(visible).map(\.description).sorted(by: >).prefix(Self.namedRuns)
        let more = runs.count - named.count
        let count = "\(runs.count) run\(runs.count == 1 ? "" : "s")"
        return named.isEmpty
            ? count + " of other users" : count + " (\(named.joined(separator: ", "))" + (more > 0 ? " and \(more) more)" : ")")
    }

    private func seconds(_ value: Double) -> String {
        let tenths = (value * 10).rounded() / 10
        return value >= 100 ? "\(Int(value.rounded()))" : "\(tenths)"
    }
}

extension LaidOutRun {
    /// `nil` where nothing is known of the run time.
    fileprivate var alternative: Alternative? {
        guard let time = predictions.first(where: { $0.kind == .runTime && $0.basis != .limit }) else { return nil }
        let hours = Double(plan.ranks) / 3600
        return Alternative(
            ranks: plan.ranks, runTime: .init(p50: time.p50, p95: time.p95), coreHours: .init(p50: time.p50 * hours, p95: time.p95 * hours),
            memoryPerRank: predictions.first { $0.kind == .memoryPerRank }.map { .init(p50: $0.p50, p95: $0.p95) })
    }
}

extension Prediction.Basis {
    fileprivate var sentence: String {
        switch self {
        case .sameOnClass: "of this graph on such nodes"
        case .same: "of this graph on other nodes"
        case .graph: "of other versions of this graph"
        case .user: "of yours of other graphs"
        case .queue, .limit: "none"
        }
    }
}
