// SPDX-License-Identifier: Apache-2.0

/// How many MPI ranks a run is to have.
package enum RankDemand: Sendable, Hashable {
    case exactly(Int)
    /// As many as the planner finds best, by what is known of earlier runs.
    case auto
}

extension RankDemand: ExpressibleByIntegerLiteral {
    package init(integerLiteral value: Int) { self = .exactly(value) }
}

/// JSON form: a number, or `"auto"`.
extension RankDemand: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        self = if (try? container.decode(String.self)) == "auto" { .auto } else { .exactly(try container.decode(Int.self)) }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .exactly(let ranks): try container.encode(ranks)
        case .auto: try container.encode("auto")
        }
    }
}

extension RunRequest {
    /// What the number of ranks is chosen for; `nil` where the request says how many.
    ///
    /// - Throws: `Problem` that names what contradicts itself.
    package func goal() throws(Problem) -> PlanGoal? {
        var errors: [Problem.FieldError] = []
        for (name, value) in [("deadline", deadline), ("budget", budget)] {
            if let value, !(value > 0 && value < 1e12) { errors.append(.init("/\(name)", "is \(value); write a number above 0")) }
        }
        if let maximumRanks, maximumRanks < 1 { errors.append(.init("/max_ranks", "is \(maximumRanks); write 1 or more")) }
        if deadline != nil, budget != nil { errors.append(.init("/budget", "and a deadline cannot both be kept: leave one out")) }
        let isOpen = deadline != nil || budget != nil || maximumRanks != nil
        if isOpen, case .exactly(let count) = ranks {
            errors.append(.init("/ranks", "is \(count), and so nothing is left to choose: write \"auto\" or leave it out"))
        }
        guard errors.isEmpty else { throw Problem(.invalid, "The number of ranks cannot be chosen.", errors: errors) }
        guard isOpen || ranks == .auto else { return nil }
        return deadline.map { .deadline($0) } ?? budget.map { .budget($0) } ?? .knee
    }
}

/// What the planner chooses the number of ranks for.
package enum PlanGoal: Sendable, Hashable {
    /// Beyond which more ranks gain less than they cost.
    case knee
    /// The fewest ranks that end within so many seconds.
    case deadline(Double)
    /// The fastest within so many core-hours, each rank taking a core.
    case budget(Double)
}

/// What a run would take on a number of ranks.
package struct Alternative: Sendable, Codable, Hashable {
    /// A figure with its interval.
    package struct Range: Sendable, Codable, Hashable {
        package var p50: Double
        package var p95: Double

        package init(p50: Double, p95: Double) {
            self.p50 = p50
            self.p95 = p95
        }
    }

    package var ranks: Int
    /// Seconds.
    package var runTime: Range
    package var coreHours: Range
    /// MiB; absent where nothing is known.
    package var memoryPerRank: Range?
    /// On so many it would be if the cluster were empty; absent where that is not known.
    package var nodes: Int?
    /// Seconds, if it were submitted now; absent where that is not known.
    package var wait: Range?
    package var isChosen: Bool

    package init(
        ranks: Int, runTime: Range, coreHours: Range, memoryPerRank: Range?, nodes: Int? = nil, wait: Range? = nil, isChosen: Bool = false
    ) {
        self.ranks = ranks
        self.runTime = runTime
        self.coreHours = coreHours
        self.memoryPerRank = memoryPerRank
        self.nodes = nodes
        self.wait = wait
        self.isChosen = isChosen
    }

    private enum CodingKeys: String, CodingKey {
        case ranks, nodes, wait
        case runTime = "run_time"
        case coreHours = "core_hours"
        case memoryPerRank = "memory_per_rank"
        case isChosen = "chosen"
    }
}
