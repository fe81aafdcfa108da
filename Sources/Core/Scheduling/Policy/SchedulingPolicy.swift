// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

import func Glibc.pow

/// How the queue is ordered, and what may overtake what.
package struct SchedulingPolicy: Sendable, Hashable {
    package enum Order: String, Sendable, CaseIterable {
        case arrival
        /// By `(wait / expected run time)³ × ranks`, the highest first (WFP3; Tang, Lan, Desai, Buettner 2009).
        case wfp3
    }

    package enum Backfill: Sendable, Hashable {
        case none
        /// The first that does not fit has a reservation, which no other delays (EASY; Lifka 1995). With `shortestFirst`, the
        /// shortest of those that may overtake it come first (Tsafrir, Etsion, Feitelson 2007).
        case easy(shortestFirst: Bool)
        /// The first that does not fit is promised a start, once and for good, and no other delays it by its limit (``Promises``). The start
        /// is by as much later than the earliest one possible as that is away, but not by more than `slack` seconds: so it takes
        /// little from the others.
        case promises(slack: Int)
        /// Every job has a reservation, made when it is submitted (Mu'alem, Feitelson 2001).
        case conservative
    }

    package var order: Order
    package var backfill: Backfill
    /// Once the first has waited so long, its reservation counts with limits instead of expected times. Seconds.
    package var guardAge: Int?
    /// A job that has waited so long comes before all that have not, unless its account has used more than its share. Seconds.
    package var promotionAge: Int?
    /// An order that changes with time stands for a second for so many jobs that wait, so that sorting a long queue does not take all
    /// the time. `nil`: it is made anew in every pass.
    package var jobsPerSecondOfOrder: Int?
    /// And for so many seconds at least.
    var orderInterval = 0

    package init(order: Order, backfill: Backfill, guardAge: Int? = nil, promotionAge: Int? = nil, jobsPerSecondOfOrder: Int? = nil) {
        self.order = order
        self.backfill = backfill
        self.guardAge = guardAge
        self.promotionAge = promotionAge
        self.jobsPerSecondOfOrder = jobsPerSecondOfOrder
    }

    package static let firstComeFirstServed = SchedulingPolicy(order: .arrival, backfill: .none)
    package static let easy = SchedulingPolicy(order: .arrival, backfill: .easy(shortestFirst: false))
    package static let easyShortestFirst = SchedulingPolicy(order: .arrival, backfill: .easy(shortestFirst: true))
    package static let conservative = SchedulingPolicy(order: .arrival, backfill: .conservative)
    package static let wfp3 = SchedulingPolicy(
        order: .wfp3, backfill: .easy(shortestFirst: false), guardAge: 86_400, promotionAge: 259_200)
    package static let weft = SchedulingPolicy(
        order: .wfp3, backfill: .promises(slack: 28_800), promotionAge: 108_000, jobsPerSecondOfOrder: 64)

    /// Of a job that waits, at `now`: the higher, the earlier it starts. Jobs with the same score come in the order of their
    /// submission.
    ///
    /// - Parameter factor: of its account's share (``Accounts/factor(_:)``).
    func score(_ job: Job, factor: Double, at now: Int) -> Double {
        if let promotionAge, now - job.submitted >= promotionAge, factor >= 1 { return .infinity }
        switch order {
        case .arrival: return 0
        case .wfp3: return pow(Double(now - job.submitted) / Double(job.expected), 3.0) * Double(job.ranks) * job.weight * factor
        }
    }
}

extension RunNeeds.Priority {
    /// ``Job/weight``. A wait counts to the third power, so that a high priority is worth twice the wait, and a low one half of it.
    package var weight: Double {
        switch self {
        case .low: 1 / 8
        case .normal: 1
        case .high: 8
        }
    }
}

extension RunNeeds {
    package var weight: Double { (priority ?? .normal).weight }
}
