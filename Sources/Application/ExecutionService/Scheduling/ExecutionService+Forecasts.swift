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
        try request.needs?.checkPriority(by: principal)
        let resources = ResourceRequest(
            ranks: request.ranks ?? 1, memoryPerRank: request.memoryPerRank ?? configuration.defaultMemoryPerRank,
            needs: request.needs ?? RunNeeds())
        do {
            try await supervisor.checkFits(resources, owner: principal.label)
        } catch  where error.kind == .invalid {
            let details = error.errors.map { "\($0.pointer) \($0.detail)" }.joined(separator: "; ")
            return RunWaitForecast(at: Date(), starts: false, note: "\(error.detail) \(details)")
        }
        return try await passing(waitGate, tooLong: "the queue is too long to run ahead over it; see how runs wait in the queue") {
            _, outlook in
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
            at: now, starts: run.pending.map { Pending.Kind(of: $0.reason) } != .neverStarts, p50: p50, p95: p95,
            note: run.pending?.reason ?? "The scheduler has not looked at it yet.")
    }

    // MARK: The queue

    package func queueForecast(horizon: Int?, futures: Int?) async throws(Problem) -> QueueForecast {
        try checkForecasting()
        let length = ForecastLength(horizon, futures)
        return try await passing(futuresGate) { time, outlook in
            QueueForecast(basis: outlook.basis(length), figures: QueueFigures(outlook.whatIf(length, time).answer().all, length))
        }
    }

    package func whatIf(_ request: WhatIfRequest) async throws(Problem) -> WhatIfAnswer {
        try checkForecasting()
        let nodes = try await clusterNodes()
        let faults = request.faults(now: Date(), nodes: nodes, policies: NamedPolicy.allCases.map(\.rawValue))
        guard faults.isEmpty else { throw Problem(.invalid, "What would be cannot be told.", errors: faults) }
        let length = ForecastLength(request.horizon, request.futures)
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
        let length = ForecastLength(request.horizon, request.futures)
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
    ///
    /// - Parameter tooLong: what to do about it.
    func passing<T: Sendable>(
        _ gate: Gate, patience: Duration? = nil, tooLong: String = "ask for a shorter horizon, or fewer futures",
        _ work: @escaping @Sendable (LongWork.Time, ClusterOutlook) -> T
    ) async throws(Problem) -> T {
        try await stored {
            try await gate.pass(patience: patience) {
                let nodes = try await clusterNodes()
                let active = try await storage.activeAttempts()
                let history = try await storage.endedAttempts(limit: LiveScheduler.historyDepth)
                let time = Date()
                let live = try await LiveScheduler(
                    storage, configuration.scheduling, nodes: nodes, active: active, history: history, at: time)
                let result = try await LongWork.run(atMost: Self.longest) { limit in
                    var outlook = ClusterOutlook(time: time, nodes: nodes, history: history, live: live)
                    outlook.live.settle(active, at: outlook.now)
                    return work(limit, outlook)
                }
                guard let result else {
                    throw Problem(.conflict, "This takes longer than \(Self.longest.components.seconds) s: \(tooLong).")
                }
                return result
            }
        }
    }
}
