// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import Scheduling
import Storage
package import WorkflowModel

/// Looks into the future: from a scheduler that is made anew for each question, so that every server can answer, and none does anything
/// about it.
extension ExecutionService {
    private static let longest = Duration.seconds(300)

    // MARK: One run

    /// Of a run that waits, what the scheduler has stored; of another, what it would say if that were submitted now.
    package func waitForecast(_ request: WaitForecastRequest, for principal: Principal) async throws(Problem) -> RunWaitForecast {
        let faults = request.faults(mostRanks: configuration.maximumRanks)
        guard faults.isEmpty else { throw Problem(.invalid, "The wait cannot be forecast.", errors: faults) }
        if let run = request.run { return try await storedForecast(run, for: principal) }
        try checkForecasting()
        let resources = ResourceRequest(
            ranks: request.ranks ?? 1, memoryPerRank: request.memoryPerRank ?? configuration.defaultMemoryPerRank,
            needs: request.needs ?? RunNeeds())
        do {
            try await supervisor.checkFits(resources, owner: principal.label)
        } catch  where error.kind == .invalid {
            let details = error.errors.map { "\($0.pointer) \($0.detail)" }.joined(separator: "; ")
            return RunWaitForecast(at: Date(), starts: false, note: "\(error.detail) \(details)")
        }
        return try await passing(waitGate) { time, outlook in
            var live = outlook.live
            let (wait, why) = live.wait(of: resources, owner: principal.label, at: outlook.now)
            return RunWaitForecast(
                at: outlook.time, starts: wait != nil, p50: wait?.p50, p95: wait?.p95, pastRuns: outlook.history.count,
                note: why ?? (outlook.history.isEmpty ? "No run has ended here yet: each is taken to run up to its limit." : nil))
        }
    }

    private func storedForecast(_ id: RunID, for principal: Principal) async throws(Problem) -> RunWaitForecast {
        let run = try await self.run(id, for: principal)
        guard run.state == .queued || run.state == .submitted else {
            throw Problem(.conflict, "\(id) does not wait: it is \(run.state.rawValue).")
        }
        let now = Date()
        func seconds(_ date: Date?) -> Int? { date.map { max(0, Int($0.timeIntervalSince(now).rounded())) } }
        let (p50, p95) = (seconds(run.pending?.expectedStart), seconds(run.pending?.latestStart))
        return RunWaitForecast(
            at: now, starts: true, p50: p50, p95: p95, note: run.pending?.reason ?? "The scheduler has not looked at it yet.")
    }

    // MARK: The queue

    package func queueForecast(horizon: Int?, futures: Int?) async throws(Problem) -> QueueForecast {
        try checkForecasting()
        let length = Length(horizon, futures)
        return try await passing(futuresGate) { time, outlook in
            QueueForecast(basis: outlook.basis(length), figures: QueueFigures(outlook.whatIf(length, time).answer().all, length))
        }
    }

    package func whatIf(_ request: WhatIfRequest) async throws(Problem) -> WhatIfAnswer {
        try checkForecasting()
        let nodes = try await clusterNodes()
        let faults = request.faults(now: Date(), nodes: nodes, policies: NamedPolicy.allCases.map(\.rawValue))
        guard faults.isEmpty else { throw Problem(.invalid, "What would be cannot be told.", errors: faults) }
        let length = Length(request.horizon, request.futures)
        return try await passing(futuresGate) { time, outlook in
            let from = request.at.map { Int($0.timeIntervalSince1970) } ?? outlook.now
            var changes: [ClusterChange] = []
            if let count = request.add, let node = outlook.nodes.first(where: { $0.name == request.like }) {
                changes.append(.add(count, like: node, from: from))
            }
            if let names = request.drain { changes.append(.drain(Set(names.compactMap(outlook.live.index)).sorted(), by: from)) }
            if let policy = request.policy.flatMap(NamedPolicy.init(rawValue:)) { changes.append(.policy(policy.policy)) }
            let whatIf = outlook.whatIf(length, time)
            return WhatIfAnswer(
                basis: outlook.basis(length), base: QueueFigures(whatIf.answer().all, length),
                changed: QueueFigures(whatIf.answer(changes).all, length))
        }
    }

    package func advice(_ request: AdviceRequest) async throws(Problem) -> AdviceAnswer {
        try checkForecasting()
        let faults = request.faults(nodes: try await clusterNodes())
        guard faults.isEmpty else { throw Problem(.invalid, "No advice can be given.", errors: faults) }
        let length = Length(request.horizon, request.futures)
        let answer = try await passing(futuresGate) { time, outlook in outlook.advice(request, length, time) }
        // The cluster may have lost the node since it was looked at.
        guard let answer else { throw Problem(.conflict, "The cluster has changed; ask again.") }
        return answer
    }

    // MARK: Parts

    private func checkForecasting() throws(Problem) {
        guard placing == .weft else {
            throw Problem(
                .conflict, "The cluster's own engine places runs here, and Weft does not know when it starts them: ask the engine.")
        }
    }

    /// One after the other, on a thread of its own, with the cluster as it is when its turn has come.
    private func passing<T: Sendable>(
        _ gate: Gate, _ work: @escaping @Sendable (LongWork.Time, Outlook) -> T
    ) async throws(Problem) -> T {
        try await stored {
            try await gate.pass {
                let nodes = try await clusterNodes()
                let active = try await storage.activeAttempts()
                let history = try await storage.endedAttempts(limit: LiveScheduler.historyDepth)
                let time = Date()
                let live = try await LiveScheduler(
                    storage, configuration.scheduling, nodes: nodes, active: active, history: history, at: time)
                let result = try await LongWork.run(atMost: Self.longest) { limit in
                    var outlook = Outlook(time: time, nodes: nodes, history: history, live: live)
                    outlook.live.settle(active, at: outlook.now)
                    return work(limit, outlook)
                }
                guard let result else {
                    throw Problem(
                        .conflict,
                        "This takes longer than \(Self.longest.components.seconds) s: ask for a shorter horizon, or fewer futures."
                    )
                }
                return result
            }
        }
    }
}

/// How far and how often.
private struct Length: Sendable {
    var horizon: Int
    var futures: Int

    init(_ horizon: Int?, _ futures: Int?) {
        self.horizon = horizon ?? ForecastRules.standardHorizon
        self.futures = futures ?? ForecastRules.standardFutures
    }
}

/// The cluster as it is, to be asked.
private struct Outlook: Sendable {
    var time: Date
    var nodes: [ClusterNode]
    var history: [EndedAttempt]
    /// As the pass at ``now`` left it.
    var live: LiveScheduler

    var now: Int { Int(time.timeIntervalSince1970) }

    func whatIf(_ length: Length, _ limit: LongWork.Time) -> WhatIf {
        var live = live
        return live.whatIf(history, horizon: length.horizon, futures: length.futures, at: now) { limit.isOver }
    }

    func basis(_ length: Length) -> ForecastBasis {
        ForecastBasis(at: time, horizon: length.horizon, futures: length.futures, pastRuns: history.count, note: note(length))
    }

    /// What there is not enough of.
    func note(_ length: Length) -> String? {
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
    func advice(_ request: AdviceRequest, _ length: Length, _ limit: LongWork.Time) -> AdviceAnswer? {
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
        if let note = note(length) {
            // Whoever knows of no submissions could do without nodes.
            advice.reason = "the p95 of waits is at most \(target) s as things are; for advice to drain nodes, too little is known: \(note)"
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
    fileprivate init(_ figures: WhatIf.Figures, _ length: Length) {
        func wait(_ seconds: Int) -> Int? { seconds == .max ? nil : seconds }
        let futures = Double(length.futures)
        self.init(
            jobs: Double(figures.jobs) / futures, unstarted: Double(figures.unstarted) / futures, meanWait: figures.meanWait,
            p50Wait: wait(figures.p50Wait), p95Wait: wait(figures.p95Wait), utilisation: figures.utilisation)
    }
}
