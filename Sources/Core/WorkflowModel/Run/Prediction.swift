// SPDX-License-Identifier: Apache-2.0

/// What a run, or one of its PEs, is expected to take: a figure with its interval, and where it comes from.
package struct Prediction: Sendable, Codable, Hashable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// Seconds from the start of the ranks to the end of the run.
        case runTime = "run_time"
        /// Seconds until all workers are ready.
        case startUp = "start_up"
        /// MiB of the rank that holds most, its workers with it.
        case memoryPerRank = "memory_per_rank"
        case calls
        case secondsPerCall = "seconds_per_call"
        /// Data written for each call.
        case fanOut = "fan_out"
        /// Seconds from its submission to its start.
        case wait
    }

    /// What it was learned from, the best first.
    package enum Basis: String, Sendable, Codable, CaseIterable {
        /// Of a run, the same version of its graph; of a PE, the same code and parameters.
        case sameOnClass = "same_on_class"
        case same
        /// Other versions of the graph.
        case graph
        case user
        /// Of a wait: the scheduler was run ahead over all that ran and waited.
        case queue
        /// Nothing is known but the limit that the run was given.
        case limit
    }

    /// Nothing is more, whatever numbers an input holds.
    package static let most = 1e12

    package var kind: Kind
    /// Id of the PE that it is of; absent: of the run.
    package var element: String?
    /// That half, nine in ten (absent: not foretold), and nineteen in twenty of such runs do not exceed.
    package var p50: Double
    package var p90: Double?
    package var p95: Double
    package var basis: Basis
    /// Names the model: the same for the same basis and runs. Of a wait: the policy.
    package var model: String
    /// Those it was learned from, the latest first.
    package var runs: [RunID]
    /// So many more it was learned from, of others, whose names only operators see; absent: none.
    package var others: Int?
    /// What it came to, once that is known.
    package var actual: Double?

    /// Figures are brought into `0...most`, so that whoever uses them may count on it.
    package init(
        _ kind: Kind, element: String? = nil, p50: Double, p90: Double?, p95: Double, basis: Basis, model: String, runs: [RunID],
        actual: Double? = nil
    ) {
        self.kind = kind
        self.element = element
        self.p50 = Self.bounded(p50)
        self.p90 = p90.map(Self.bounded)
        self.p95 = Self.bounded(p95)
        self.basis = basis
        self.model = model
        self.runs = runs
        self.actual = actual
    }

    /// What is no number at all counts as ``most``.
    package static func bounded(_ figure: Double) -> Double { figure < most ? max(0, figure) : most }
}

extension Prediction {
    /// With the names of these runs only.
    package func naming(_ visible: Set<RunID>) -> Prediction {
        var shown = self
        shown.runs = runs.filter(visible.contains)
        shown.others = shown.runs.count == runs.count ? nil : runs.count - shown.runs.count
        return shown
    }
}

extension RunCost {
    /// What the prediction should have said; `nil` where the run does not tell.
    package func actual(of prediction: Prediction) -> Double? {
        let cost = prediction.element.flatMap { elements[$0] }
        return switch prediction.kind {
        case .wait: nil
        case .runTime: seconds
        case .startUp: startUp
        case .memoryPerRank: memoryPerRank
        case .calls: cost.map { Double($0.calls) }
        case .secondsPerCall: cost.flatMap { $0.calls > 0 ? $0.secondsPerCall : nil }
        case .fanOut: cost.flatMap { $0.calls > 0 ? Double($0.itemsOut) / Double($0.calls) : nil }
        }
    }
}
