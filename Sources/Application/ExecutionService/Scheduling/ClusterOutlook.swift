// SPDX-License-Identifier: Apache-2.0

import Foundation
import Scheduling
import Storage
import WorkflowModel

/// How far and how often.
struct ForecastLength: Sendable {
    var horizon: Int
    var futures: Int

    init(_ horizon: Int?, _ futures: Int?) {
        self.horizon = horizon ?? ForecastRules.standardHorizon
        self.futures = futures ?? ForecastRules.standardFutures
    }
}

/// The cluster as it is, to be asked.
struct ClusterOutlook: Sendable {
    var time: Date
    var nodes: [ClusterNode]
    var history: [EndedAttempt]
    /// As the pass at ``now`` left it.
    var live: LiveScheduler

    var now: Int { Int(time.timeIntervalSince1970) }

    func whatIf(_ length: ForecastLength, _ limit: LongWork.Time) -> WhatIf {
        var live = live
        return live.whatIf(history, horizon: length.horizon, futures: length.futures, at: now) { limit.isOver }
    }

    func basis(_ length: ForecastLength) -> ForecastBasis {
        ForecastBasis(at: time, horizon: length.horizon, futures: length.futures, pastRuns: history.count, note: note(length))
    }

    /// What there is not enough of.
    func note(_ length: ForecastLength) -> String? {
        guard let first = history.map(\.queuedAt).min() else {
            return "No run has ended here yet: only what runs and waits now counts, each up to its limit."
        }
        // So much of the past is the least of which a future is made.
        let needed = Double(min(length.horizon, WhatIf.stretch))
        guard time.timeIntervalSince(first) < needed else { return nil }
        return "Runs are known of less than the last \(Int((needed / 3600).rounded(.up))) h: what will be submitted is not, and only what "
            + "runs and waits now counts."
    }

    /// - Returns: `nil`: there is no such node.
    func advice(_ request: AdviceRequest, _ length: ForecastLength, _ limit: LongWork.Time) -> AdviceAnswer? {
        guard let node = nodes.first(where: { node in request.like.map { $0 == node.name } ?? (node.slots > 0) }) else { return nil }
        let whatIf = whatIf(length, limit)
        let base = whatIf.answer().all
        let target = request.targetP95Wait
        var advice = ScalingAdvice(
            action: .none, like: node.name, nodeClass: node.nodeClass, slots: node.slots, count: 0, from: time, reason: "",
            figures: QueueFigures(base, length))
        func answer(isReached: Bool) -> AdviceAnswer {
            let sign: Double = advice.action == .drain ? -1 : 1
            return AdviceAnswer(
                basis: basis(length), targetP95Wait: target, base: QueueFigures(base, length), advice: advice, isReached: isReached,
                nodeHours: sign * Double(advice.count) * Double(length.horizon) / 3600)
        }
        guard base.p95Wait <= target else {
            let most = request.mostNodes ?? ForecastRules.standardMostNodes
            guard let found = whatIf.fewestToAdd(like: node, from: now, atMost: most, p95: target) else {
                advice.reason = "\(most) more nodes like \(node.name) are not enough for a p95 of waits of \(target) s"
                return answer(isReached: false)
            }
            advice.action = .add
            advice.count = found.nodes
            advice.figures = QueueFigures(found.figures, length)
            advice.reason = "with fewer, the p95 of waits is above \(target) s"
            return answer(isReached: true)
        }
        guard note(length) == nil else {
            // Whoever knows of no submissions could do without nodes.
            advice.reason = "the p95 of waits is at most \(target) s as things are, and too little is known of what comes to drain nodes"
            return answer(isReached: true)
        }
        let candidates = live.nodesToDrain(like: node)
        if let found = whatIf.mostToDrain(candidates, by: now, p95: target), found.nodes > 0 {
            advice.action = .drain
            advice.count = found.nodes
            advice.nodes = candidates.prefix(found.nodes).map(live.name)
            advice.figures = QueueFigures(found.figures, length)
            advice.reason = "without them, the p95 of waits is still at most \(target) s"
        } else {
            advice.reason = "the p95 of waits is at most \(target) s as things are, and above it with a node less"
        }
        return answer(isReached: true)
    }
}

extension QueueFigures {
    init(_ figures: WhatIf.Figures, _ length: ForecastLength) {
        func wait(_ seconds: Int) -> Int? { seconds == .max ? nil : seconds }
        let futures = Double(length.futures)
        self.init(
            jobs: Double(figures.jobs) / futures, unstarted: Double(figures.unstarted) / futures, meanWait: figures.meanWait,
            p50Wait: wait(figures.p50Wait), p95Wait: wait(figures.p95Wait), utilisation: figures.utilisation)
    }
}
