// SPDX-License-Identifier: Apache-2.0

import Foundation
import Scheduling
import Testing
import WorkflowModel

@testable import ExecutionService
@testable import Storage

@Suite struct ProspectsTests {
    private let now = Date(timeIntervalSince1970: 1_750_000_000)
    private let nodes = (1...2).map { ClusterNode(name: "n\($0)", cores: 2, memory: 1000, slots: 2) }

    private func id(_ number: Int) -> RunID { RunID(milliseconds: UInt64(number), random: Array(repeating: 0, count: 10)) }

    private func resources(_ ranks: Int, memory: Int = 100, needs: RunNeeds = RunNeeds(timeLimit: 60)) -> ResourceRequest {
        ResourceRequest(ranks: ranks, memoryPerRank: memory, needs: needs)
    }

    private func candidate(_ ranks: Int, memory: Int = 100, needs: RunNeeds = RunNeeds(timeLimit: 60)) -> Candidate {
        Candidate(resources: resources(ranks, memory: memory, needs: needs), leastMemory: min(100, memory), runTime: 10)
    }

    /// One rank of the four is free; those of one run are until an hour from now, that of another for two.
    private func outlook(waiting: Int = 0) -> ClusterOutlook {
        let second = Int(now.timeIntervalSince1970)
        let active = [(1, 2, "n1", 3600), (2, 1, "n2", 7200)].map { number, ranks, node, limit in
            ActiveAttempt(
                run: id(number), issuer: "i", subject: "u", attempt: 1, resources: resources(ranks, needs: RunNeeds(timeLimit: limit)),
                nodes: [NodeShare(node: node, ranks: ranks)], avoided: [], retry: .standard, place: Int64(number), startedAt: now, graph: 1)
        }
        let queued = (0..<waiting).map { index in
            QueuedRun(
                id: id(10 + index), attempt: 1, place: Int64(10 + index), queuedAt: now, owner: "u@i", graph: 1, resources: resources(4),
                avoided: [])
        }
        let live = LiveScheduler(
            SchedulingConfiguration(), nodes: nodes, orders: ClusterOrders(), usage: [:], history: [], active: active, queued: queued,
            at: second)
        return ClusterOutlook(time: now, nodes: nodes, history: [], live: live)
    }

    private func prospects(_ candidates: [Candidate], waiting: Int = 0, isOver: () -> Bool = { false }) -> Prospects {
        outlook(waiting: waiting).prospects(of: candidates, owner: "u@i", isOver: isOver)
    }

    @Test func moreRanksTakeMoreNodesAndWaitLonger() throws {
        let prospects = prospects((1...5).map { candidate($0) })
        #expect(prospects.note == nil)
        #expect(prospects.all.map(\.nodes) == [1, 1, 2, 2, nil])
        let waits = prospects.all.map(\.wait)
        #expect(waits[0] == WaitForecast(p50: 0, p95: 0) && waits[4] == nil, "five never start")
        let (two, three, four) = (try #require(waits[1]), try #require(waits[2]), try #require(waits[3]))
        #expect((3600..<7200).contains(two.p50) && (3600..<7200).contains(three.p50) && four.p50 >= 7200, "\(waits)")
        #expect([two, three, four].allSatisfy { $0.p95 >= $0.p50 } && four.p95 > two.p95)
    }

    @Test func eachCandidateIsAskedAlone() {
        let twice = prospects([candidate(1), candidate(1), candidate(4), candidate(1)]).all
        #expect(twice[0] == twice[1] && twice[0] == twice[3])
    }

    @Test func aRankHasNoMoreMemoryThanTheNodesHave() {
        let (learned, asked) = (candidate(4, memory: 800), Candidate(resources: resources(4, memory: 800), leastMemory: 800, runTime: nil))
        let found = prospects([learned, asked]).all
        #expect(found[0].nodes == 2 && found[0].wait != nil)
        #expect(found[1] == Prospects.Prospect(), "what was asked for is not made less")
    }

    @Test func moreNodesThanRanksAreNoCandidate() {
        let found = prospects([candidate(1, needs: RunNeeds(nodes: 2)), candidate(2, needs: RunNeeds(nodes: 2))]).all
        #expect(found.map(\.nodes) == [nil, 2] && found[0].wait == nil)
    }

    @Test func behindALongQueueOnlyNodesAreTold() {
        #expect(prospects([candidate(1)], waiting: 3000).all[0].wait != nil)
        let behind = prospects([candidate(1)], waiting: 3001)
        #expect(behind.all == [Prospects.Prospect(nodes: 1)] && behind.note == "too many runs wait")
    }

    @Test func whatThereIsNoTimeForIsLeftOut() {
        var left = 1
        let cut = prospects([candidate(1), candidate(2)]) {
            left -= 1
            return left < 0
        }
        #expect(cut.all[0].wait != nil && cut.all[1] == Prospects.Prospect() && cut.note?.contains("too long") == true)
    }

    @Test func aPlanSaysWhatIsFound() {
        func planned(_ prospects: Prospects) -> PlannedRun {
            let interval = Alternative.Range(p50: 1, p95: 2)
            var planned = PlannedRun(
                graph: Reference(namespace: "a", name: "g", version: "1"), elements: [], resources: resources(2),
                plan: Plan(layout: .fused, ranksRequested: 2, ranks: 2, stages: [], workers: [], firstInstances: [], reasons: []),
                alternatives: (1...2).map {
                    Alternative(ranks: $0, runTime: interval, coreHours: interval, memoryPerRank: nil, isChosen: $0 == 2)
                })
            planned.add(prospects)
            return planned
        }
        let (none, wide) = (Prospects.Prospect(), Prospects.Prospect(nodes: 2, wait: WaitForecast(p50: 30, p95: 90)))
        let narrow = Prospects.Prospect(nodes: 1, wait: WaitForecast(p50: 0, p95: 0))
        // There was no time left for that of the chosen alternative, which is the plan's own.
        let told = planned(Prospects(all: [wide, narrow, none], note: "so"))
        #expect(told.nodes == 2 && told.wait == Alternative.Range(p50: 30, p95: 90))
        #expect(told.alternatives?.map(\.nodes) == [1, 2] && told.alternatives?.map(\.wait?.p95) == [0, 90])
        #expect(
            told.plan.reasons == [
                "not all waits are told: so", "submitted now, it is expected to wait for 30 s, in 19 of 20 runs no more than 90 s",
            ])
        #expect(planned(Prospects(all: [narrow, none, none])).plan.reasons == ["submitted now, it would start at once"])
        #expect(planned(Prospects(all: [none, none, none])).plan.reasons.map { $0.contains("would not start") } == [true])
        #expect(planned(Prospects(all: [none, none, none], note: "so")).plan.reasons == ["not all waits are told: so"])
    }
}
