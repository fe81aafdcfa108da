// SPDX-License-Identifier: Apache-2.0

import Foundation
import Scheduling
import Testing
import WorkflowModel

@testable import ExecutionService
@testable import Storage

@Suite struct LiveSchedulerTests {
    private let now = 1_750_000_000
    private let nodes = (1...2).map { ClusterNode(name: "n\($0)", cores: 1, memory: 1000, slots: 1) }

    private func id(_ number: Int) -> RunID { RunID(milliseconds: UInt64(number), random: Array(repeating: 0, count: 10)) }

    private func date(_ seconds: Int) -> Date { Date(timeIntervalSince1970: Double(seconds)) }

    private func resources(_ ranks: Int, limit: Int?) -> ResourceRequest {
        ResourceRequest(ranks: ranks, memoryPerRank: 100, needs: RunNeeds(timeLimit: limit))
    }

    private func queued(_ number: Int, ranks: Int, limit: Int?, promised: Int? = nil) -> QueuedRun {
        QueuedRun(
            id: id(number), attempt: 1, place: Int64(number), queuedAt: date(now), owner: "u@i", graph: 1,
            resources: resources(ranks, limit: limit), avoided: [], promisedStart: promised.map(date))
    }

    private func active(_ number: Int, limit: Int?) -> ActiveAttempt {
        ActiveAttempt(
            run: id(number), issuer: "i", subject: "u", attempt: 1, resources: resources(1, limit: limit),
            nodes: [NodeShare(node: "n1", ranks: 1)], avoided: [], retry: .standard, place: Int64(number), startedAt: date(now), graph: 1)
    }

    /// A run on one of two nodes; one that needs both waits, and one that would fit keeps out of its way.
    private func live(
        promised: Int? = nil, orders: ClusterOrders = ClusterOrders(), calibration: WaitCalibration = WaitCalibration(),
        history: [EndedAttempt] = []
    ) -> LiveScheduler {
        LiveScheduler(
            SchedulingConfiguration(), nodes: nodes, orders: orders, usage: [:], history: history, active: [active(1, limit: 7200)],
            queued: [queued(2, ranks: 2, limit: 3600, promised: promised), queued(3, ranks: 1, limit: 72_000)],
            calibration: calibration, at: now)
    }

    private func pass(_ live: inout LiveScheduler, at time: Int) -> SchedulerSession.Decisions { live.pass(at: time) { "\($0)/\($1)" } }

    @Test func aPromiseThatIsLostIsToldOnce() throws {
        var live = live()
        let made = pass(&live, at: now)
        let start = try #require(made.promises[id(2)] ?? nil)
        #expect(made.promises.count == 1 && made.starts.isEmpty && start > date(now + 7200))
        let next = pass(&live, at: now + 1).promises
        #expect(next.isEmpty, "it never moves")

        var lost = nodes
        lost[1].state = .down
        let isSame = live.observe(lost, at: now + 2)
        #expect(isSame)
        let dropped = pass(&live, at: now + 2).promises
        #expect(dropped.keys.map(\.description) == [id(2).description] && dropped[id(2)] == .some(nil))
        let later = pass(&live, at: now + 3).promises
        #expect(later.isEmpty)
    }

    @Test func aHighPriorityStartsFirstAndALowOneLast() {
        let priorities: [RunNeeds.Priority?] = [.low, nil, .high, .normal]
        let queued = priorities.enumerated().map { index, priority in
            var run = self.queued(index + 1, ranks: 1, limit: 3600)
            run.resources.needs.priority = priority
            return run
        }
        var live = LiveScheduler(
            SchedulingConfiguration(), nodes: [nodes[0]], orders: ClusterOrders(), usage: [:], history: [], active: [], queued: queued,
            at: now)
        var started: [RunID] = []
        for second in 1...4 {
            live.observe([ActiveAttempt](), at: now + second)
            started += pass(&live, at: now + second).starts.map(\.run)
        }
        #expect(started == [3, 2, 4, 1].map(id))
    }

    @Test func forecastsOfAnEarlierSchedulerStand() throws {
        var first = live()
        let waits = pass(&first, at: now).waits
        #expect(Set(waits.keys) == [id(2), id(3)])
        let kept = try WireJSON.decode(WaitCalibration.self, from: WireJSON.encode(first.calibration))
        var second = live(calibration: kept)
        let again = pass(&second, at: now + 50).waits
        #expect(again.isEmpty)
        func bounds(_ live: inout LiveScheduler) -> [Date?] { live.pending(limit: 9, at: now + 50).map(\.1.latestStart) }
        let expected = bounds(&first)
        #expect(bounds(&second) == expected && expected.allSatisfy { $0 != nil })
    }

    /// Runs without limits, each of ten minutes, of one user. Another's are expected to take such a part of what they are planned by.
    @Test func runsWithoutLimitsAreForecastByWhatSuchRunsTook() throws {
        let history = (0..<50).map { index in
            let queued = date(now - 100_000 + index * 1000)
            return EndedAttempt(
                owner: "other@i", graph: 1, resources: resources(1, limit: nil), queuedAt: queued, startedAt: queued, endedAt: queued + 600)
        }
        var live = LiveScheduler(
            SchedulingConfiguration(), nodes: nodes, orders: ClusterOrders(), usage: [:], history: history,
            active: [active(1, limit: nil)], queued: [queued(2, ranks: 2, limit: nil)], at: now)
        let waits = pass(&live, at: now).waits
        let wait = try #require(waits[id(2)])
        #expect((300...3000).contains(wait.p50), "the part of their planned limits that runs took: \(wait.p50)")
        // What is asked is planned as it would be if it were submitted: it is over before the other's promise.
        var promised = self.live(history: history)
        _ = pass(&promised, at: now)
        let (forecast, _) = promised.wait(of: resources(1, limit: nil), owner: "u@i", at: now)
        #expect(forecast == WaitForecast(p50: 0, p95: 0))
    }

    /// Its next attempt was queued before it was seen that the first had ended.
    @Test func aRunThatIsTriedAgainGivesBackWhatItHad() {
        var live = LiveScheduler(
            SchedulingConfiguration(), nodes: [nodes[0]], orders: ClusterOrders(), usage: [:], history: [], active: [active(1, limit: 60)],
            queued: [], at: now)
        var again = queued(7, ranks: 1, limit: 60)
        (again.id, again.attempt) = (id(1), 2)
        live.add(again, at: now)
        let started = pass(&live, at: now).starts
        #expect(started.map(\.attempt) == [2])
    }

    @Test func onlyRunsThatEndedByThemselvesAreLearnedFrom() {
        func expected(_ byThemselves: Bool) -> Int {
            var live = LiveScheduler(
                SchedulingConfiguration(), nodes: [ClusterNode(name: "n1", cores: 3, memory: 1000, slots: 3)], orders: ClusterOrders(),
                usage: [:], history: [], active: (1...3).map { active($0, limit: 7200) }, queued: [], at: now)
            live.observe([ActiveAttempt](), at: now + 5)
            let ended = Set(live.ended.map(\.attempt))
            #expect(ended == Set((1...3).map { RunAttempt(run: id($0), number: 1) }))
            live.learn(byThemselves ? ended : [])
            #expect(live.ended.isEmpty)
            live.add(queued(4, ranks: 3, limit: 7200), at: now + 5)
            #expect(pass(&live, at: now + 5).starts.count == 1)
            return live.wait(of: resources(1, limit: 7200), owner: "u@i", at: now + 5).forecast?.p50 ?? -1
        }
        #expect(expected(true) == 5)
        #expect(expected(false) > 1000)
    }

    /// Promised for when the first one's limit is over; that one goes on.
    @Test func aStartThatIsMissedIsTold() throws {
        var live = live()
        let start = try #require(pass(&live, at: now).promises[id(2)] ?? nil)
        let late = Int(start.timeIntervalSince1970) + 1
        live.observe([active(1, limit: 7200)], at: late)
        let decisions = pass(&live, at: late)
        #expect(decisions.missed == [id(2)] && decisions.starts.isEmpty)
        #expect(pass(&live, at: late + 1).missed.isEmpty)
    }

    /// A window that is over is no reason to plan by the longest time that a run may take.
    @Test(arguments: [(-60, 3600), (60, 86_400)]) func windowsToComeAlonePlanByLimits(end: Int, limit: Int) {
        let window = ClusterWindow(
            name: "w", kind: .maintenance, nodes: ["n2"], start: date(now - 100), end: date(now + end), users: [], owner: "root@i")
        var live = LiveScheduler(
            SchedulingConfiguration(), nodes: nodes, orders: ClusterOrders(windows: [window]), usage: [:], history: [],
            active: [active(1, limit: nil)], queued: [queued(2, ranks: 2, limit: nil), queued(3, ranks: 1, limit: 500_000)], at: now)
        let promises = pass(&live, at: now).promises
        #expect(promises[id(2)] == date(now + min(2 * limit, limit + 28_800)))
    }

    @Test func aPromiseOfBeforeStandsUnlessOrdersTakeItAway() {
        let start = now + 15_000
        var kept = live(promised: start)
        let changes = pass(&kept, at: now).promises
        #expect(changes.isEmpty)
        let drain = NodeOrder(node: "n2", kind: .drain, by: date(now + 3600), owner: "root@i", givenAt: date(now))
        var drained = live(promised: start, orders: ClusterOrders(nodes: [drain]))
        let taken = pass(&drained, at: now).promises
        #expect(taken[id(2)] == .some(nil))
    }
}
