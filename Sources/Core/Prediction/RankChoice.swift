// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Chooses a number of ranks among those that a run was foretold for.
package enum RankChoice {
    /// Numbers of ranks that are worth a look: all small ones, then in steps of a quarter.
    package static func candidates(upTo maximum: Int) -> [Int] {
        var ranks: [Int] = []
        var next = 1
        while next < maximum {
            ranks.append(next)
            next = max(next + 1, next * 5 / 4)
        }
        return ranks + [max(1, maximum)]
    }

    /// - Parameter alternatives: with run times, the fewest ranks first; at least one.
    /// - Returns: the place of the chosen one, and why.
    package static func choose(_ alternatives: [Alternative], for goal: PlanGoal) -> (place: Int, reason: String) {
        let times = alternatives.map(\.runTime)
        let fastest = times.indices.min { (times[$0].p50, $0) < (times[$1].p50, $1) } ?? 0
        switch goal {
        case .knee:
            let place = knee(alternatives)
            return (place, "more than \(count(alternatives[place])) would gain less than they cost: the knee of the speed-up curve")
        case .deadline(let seconds):
            if let place = times.firstIndex(where: { $0.p95 <= seconds }) {
                return (place, "\(count(alternatives[place])) are the fewest that end within \(text(seconds)) s in 19 of 20 runs")
            }
            return (
                fastest,
                "no number of ranks ends within \(text(seconds)) s in 19 of 20 runs: \(count(alternatives[fastest])) are the fastest"
            )
        case .budget(let hours):
            let paid = times.indices.filter { alternatives[$0].coreHours.p95 <= hours }
            if let place = paid.min(by: { (times[$0].p50, $0) < (times[$1].p50, $1) }) {
                return (place, "\(count(alternatives[place])) are the fastest within \(text(hours)) core-hours in 19 of 20 runs")
            }
            let cheapest = times.indices.min { alternatives[$0].coreHours.p95 < alternatives[$1].coreHours.p95 } ?? 0
            return (
                cheapest,
                "no number of ranks keeps to \(text(hours)) core-hours in 19 of 20 runs: \(count(alternatives[cheapest])) need the fewest"
            )
        }
    }

    /// Where efficiency over run time is greatest (Eager, Zahorjan, Lazowska 1989); of equals, the fewest ranks.
    private static func knee(_ alternatives: [Alternative]) -> Int {
        func merit(_ place: Int) -> Double {
            let time = alternatives[place].runTime.p50
            return 1 / max(time * time * Double(alternatives[place].ranks), .leastNormalMagnitude)
        }
        var best = 0
        for place in alternatives.indices where merit(place) > merit(best) * (1 + 1e-9) { best = place }
        return best
    }

    private static func count(_ alternative: Alternative) -> String {
        "\(alternative.ranks) rank\(alternative.ranks == 1 ? "" : "s")"
    }

    private static func text(_ value: Double) -> String { value == value.rounded() && value < 1e15 ? "\(Int(value))" : "\(value)" }
}
