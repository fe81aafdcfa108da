// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// How long a run that waits, or one that is not submitted, is going to wait: the answer of `POST /api/v1/forecasts/wait`.
package struct RunWaitForecast: Sendable, Codable, Hashable {
    package var at: Date
    /// False: it never starts as things are.
    package var starts: Bool
    /// Seconds from ``at`` on, as likely too many as too few. Absent where it is not known.
    package var p50: Int?
    /// Seconds that nineteen of twenty such waits do not exceed.
    package var p95: Int?
    package var expectedStart: Date?
    package var latestStart: Date?
    /// Runs that ended before, from which run times were learned; absent of a run that waits, whose forecast is stored.
    package var pastRuns: Int?
    /// Why it waits or never starts, or what the forecast lacks.
    package var note: String?

    package init(at: Date, starts: Bool, p50: Int? = nil, p95: Int? = nil, pastRuns: Int? = nil, note: String? = nil) {
        self.at = at
        self.starts = starts
        self.p50 = p50
        self.p95 = p95
        self.pastRuns = pastRuns
        self.note = note
        expectedStart = p50.map { at + TimeInterval($0) }
        latestStart = p95.map { at + TimeInterval($0) }
    }

    private enum CodingKeys: String, CodingKey {
        case at, starts, p50, p95, note
        case expectedStart = "expected_start"
        case latestStart = "latest_start"
        case pastRuns = "past_runs"
    }
}

/// Waits and the use of the machine in sampled futures.
package struct QueueFigures: Sendable, Codable, Hashable {
    /// Of one future in the mean: those that wait now, and those that are submitted within the horizon.
    package var jobs: Double
    /// Of these, those that never start.
    package var unstarted: Double
    /// Seconds, of those that start.
    package var meanWait: Double
    /// Seconds, of all; absent: never, since so many do not start.
    package var p50Wait: Int?
    package var p95Wait: Int?
    /// Part of the slots that are used within the horizon, from 0 to 1.
    package var utilisation: Double

    package init(jobs: Double, unstarted: Double, meanWait: Double, p50Wait: Int?, p95Wait: Int?, utilisation: Double) {
        self.jobs = jobs
        self.unstarted = unstarted
        self.meanWait = meanWait
        self.p50Wait = p50Wait
        self.p95Wait = p95Wait
        self.utilisation = utilisation
    }

    private enum CodingKeys: String, CodingKey {
        case jobs, unstarted, utilisation
        case meanWait = "mean_wait"
        case p50Wait = "p50_wait"
        case p95Wait = "p95_wait"
    }
}

/// What a look into the future goes by.
package struct ForecastBasis: Sendable, Codable, Hashable {
    package var at: Date
    /// Seconds.
    package var horizon: Int
    package var futures: Int
    /// Runs that ended before, of which futures are made.
    package var pastRuns: Int
    /// What the figures lack.
    package var note: String?

    package init(at: Date, horizon: Int, futures: Int, pastRuns: Int, note: String?) {
        self.at = at
        self.horizon = horizon
        self.futures = futures
        self.pastRuns = pastRuns
        self.note = note
    }

    private enum CodingKeys: String, CodingKey {
        case at, horizon, futures, note
        case pastRuns = "past_runs"
    }
}

/// The answer of `GET /api/v1/forecasts/queue`.
package struct QueueForecast: Sendable, Codable, Hashable {
    package var basis: ForecastBasis
    package var figures: QueueFigures

    package init(basis: ForecastBasis, figures: QueueFigures) {
        self.basis = basis
        self.figures = figures
    }
}

/// The answer of `POST /api/v1/whatif`.
package struct WhatIfAnswer: Sendable, Codable, Hashable {
    package var basis: ForecastBasis
    /// As things are.
    package var base: QueueFigures
    /// In the same futures, with the changes.
    package var changed: QueueFigures

    package init(basis: ForecastBasis, base: QueueFigures, changed: QueueFigures) {
        self.basis = basis
        self.base = base
        self.changed = changed
    }
}

/// What an operator, or a program of his that adds and removes nodes, could do. Weft does not do it.
package struct ScalingAdvice: Sendable, Codable, Hashable {
    package enum Action: String, Sendable, Codable, CaseIterable {
        case add, drain, none
    }

    package var action: Action
    /// Name of a node of the class.
    package var like: String
    package var nodeClass: NodeClass
    /// Ranks that a node of it takes at a time.
    package var slots: Int
    package var count: Int
    /// Those to be drained.
    package var nodes: [String]
    package var from: Date
    package var reason: String
    /// With it done.
    package var figures: QueueFigures

    package init(
        action: Action, like: String, nodeClass: NodeClass, slots: Int, count: Int, nodes: [String] = [], from: Date, reason: String,
        figures: QueueFigures
    ) {
        self.action = action
        self.like = like
        self.nodeClass = nodeClass
        self.slots = slots
        self.count = count
        self.nodes = nodes
        self.from = from
        self.reason = reason
        self.figures = figures
    }

    private enum CodingKeys: String, CodingKey {
        case action, like, slots, count, nodes, from, reason, figures
        case nodeClass = "node_class"
    }
}

/// The answer of `POST /api/v1/advice`.
package struct AdviceAnswer: Sendable, Codable, Hashable {
    package var basis: ForecastBasis
    /// Seconds.
    package var targetP95Wait: Int
    /// As things are.
    package var base: QueueFigures
    package var advice: ScalingAdvice
    /// Whether the target is kept with the advice.
    package var isReached: Bool
    /// Over the horizon; less than 0: saved.
    package var nodeHours: Double

    package init(
        basis: ForecastBasis, targetP95Wait: Int, base: QueueFigures, advice: ScalingAdvice, isReached: Bool, nodeHours: Double
    ) {
        self.basis = basis
        self.targetP95Wait = targetP95Wait
        self.base = base
        self.advice = advice
        self.isReached = isReached
        self.nodeHours = nodeHours
    }

    private enum CodingKeys: String, CodingKey {
        case basis, base, advice
        case targetP95Wait = "target_p95_wait"
        case isReached = "reached"
        case nodeHours = "node_hours"
    }
}
