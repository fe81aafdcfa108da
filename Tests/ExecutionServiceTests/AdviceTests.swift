// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WorkflowModel

@testable import ExecutionService
@testable import Storage

@Suite struct AdviceTests {
    private let now = Date(timeIntervalSince1970: 1_750_000_000)
    private let nodes = (1...4).map { ClusterNode(name: "n\($0)", cores: 1, memory: 1000, slots: 1) }

    /// A cluster of four nodes on which a run of so many ranks and half an hour was submitted every hour.
    private func outlook(ranks: Int, hours: Int) throws -> ClusterOutlook {
        let history = (0..<hours).map { hour in
            let queued = now - Double(hour * 3600 + 1800)
            return EndedAttempt(
                owner: "u@i", graph: 1,
                resources: ResourceRequest(ranks: ranks, memoryPerRank: 100, needs: RunNeeds(timeLimit: 3600)), queuedAt: queued,
                startedAt: queued, endedAt: queued + 1800)
        }
        let live = LiveScheduler(
            SchedulingConfiguration(), nodes: nodes, orders: ClusterOrders(), usage: [:], history: history, active: [], queued: [],
            at: Int(now.timeIntervalSince1970))
        return ClusterOutlook(time: now, nodes: nodes, history: history, live: live)
    }

    private func advice(ranks: Int, hours: Int = 400, target: Int, most: Int? = nil) throws -> AdviceAnswer {
        let request = AdviceRequest(targetP95Wait: target, like: "n2", mostNodes: most)
        return try #require(
            try outlook(ranks: ranks, hours: hours).advice(request, ForecastLength(nil, 4), LongWork.Time(.seconds(60))))
    }

    @Test func whatIsNotNeededMayBeDrained() throws {
        let answer = try advice(ranks: 2, target: 60)
        #expect(answer.advice.action == .drain && answer.advice.count == 2 && answer.nodeHours == -48 && answer.isReached, "\(answer)")
        #expect(Set(answer.advice.nodes).count == 2 && answer.advice.nodes.allSatisfy { name in nodes.contains { $0.name == name } })
        #expect(answer.basis.note == nil && answer.basis.pastRuns == 400)
        #expect(answer.base.jobs == 24 && abs(answer.base.utilisation - 0.25) < 0.02, "\(answer.base)")
        #expect(abs(answer.advice.figures.utilisation - 0.5) < 0.03, "\(answer.advice.figures)")
    }

    @Test func whatIsNeededStays() throws {
        let answer = try advice(ranks: 4, target: 60)
        #expect(answer.advice.action == .none && answer.advice.count == 0 && answer.isReached && answer.nodeHours == 0, "\(answer)")
        #expect(answer.advice.figures == answer.base)
    }

    @Test func theFewestAreAdded() throws {
        let answer = try advice(ranks: 6, target: 60)
        #expect(answer.base.p95Wait == nil && answer.base.unstarted == 24, "\(answer.base)")
        #expect(answer.advice.action == .add && answer.advice.count == 2 && answer.nodeHours == 48 && answer.isReached, "\(answer)")
        let tooFew = try advice(ranks: 6, target: 60, most: 1)
        #expect(tooFew.advice.action == .none && !tooFew.isReached && tooFew.advice.reason.contains("not enough"), "\(tooFew)")
    }

    @Test func whoKnowsLittleDrainsNothing() throws {
        let answer = try advice(ranks: 1, hours: 5, target: 60)
        #expect(answer.advice.action == .none && answer.basis.note?.contains("6 h") == true, "\(answer)")
    }
}
