// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@testable import Scheduling

/// Maintenance, drains and advance reservations, worked out by hand on ten nodes of one slot.
@Suite struct WindowTests {
    static let nodes = equalNodes(10)
    static let all = Array(0..<10)

    @Test(arguments: [SchedulingPolicy.easy, .easyShortestFirst, .wfp3, .conservative])
    func onlyWhatIsOverBeforeTheMaintenanceStarts(_ policy: SchedulingPolicy) {
        let window = Window(nodes: Self.all, start: 100, end: 200)
        let starts = Replay.starts(
            [Replay.Entry(50, 60, ranks: 1), Replay.Entry(50, 40, ranks: 9)], policy, nodes: Self.nodes,
            changes: [.init(0, .windows([window]))])
        #expect(starts == [200, 50])
    }

    @Test(arguments: NamedPolicy.allCases) func aJobMayEndJustWhenTheMaintenanceBegins(_ policy: NamedPolicy) {
        let window = Window(nodes: Self.all, start: 100, end: 200)
        let starts = Replay.starts(
            [Replay.Entry(50, 50, ranks: 10), Replay.Entry(120, 10, ranks: 10)], policy.policy, nodes: Self.nodes,
            changes: [.init(0, .windows([window]))])
        #expect(starts == [50, 200])
    }

    @Test(arguments: NamedPolicy.allCases) func nodesWithoutMaintenanceRunThrough(_ policy: NamedPolicy) {
        let window = Window(nodes: [0, 4, 9], start: 100, end: 200)
        var replay = Replay(
            [Replay.Entry(50, 500, ranks: 7), Replay.Entry(51, 49, ranks: 3)], policy.policy, nodes: Self.nodes,
            changes: [.init(0, .windows([window]))])
        replay.finish()
        #expect(replay.starts == [50, 51])
        #expect(replay.shares[0].nodes.isDisjoint(with: [0, 4, 9]))
        #expect(replay.shares[1].nodes == [0, 4, 9])
    }

    @Test(arguments: NamedPolicy.allCases) func aJobTooWideForTheRestWaitsForTheEndOfTheMaintenance(_ policy: NamedPolicy) {
        let window = Window(nodes: [0, 4, 9], start: 100, end: 200)
        let starts = Replay.starts(
            [Replay.Entry(50, 60, ranks: 8)], policy.policy, nodes: Self.nodes, changes: [.init(0, .windows([window]))])
        #expect(starts == [200])
    }

    @Test(arguments: NamedPolicy.allCases) func aDrainEndsNothingAndStartsNothing(_ policy: NamedPolicy) {
        let jobs = [
            Replay.Entry(0, 100, ranks: 8), Replay.Entry(15, 10, ranks: 2), Replay.Entry(20, 50, ranks: 3), Replay.Entry(30, 10, ranks: 9),
        ]
        var probe = Replay(jobs, policy.policy, nodes: Self.nodes)
        _ = probe.step()
        let drained = probe.shares[0].nodes.sorted().prefix(2)
        var replay = Replay(
            jobs, policy.policy, nodes: Self.nodes,
            changes: drained.flatMap { [.init(10, .up(node: $0, false)), .init(300, .up(node: $0, true))] })
        while let instant = replay.step() {
            if instant.now < 100 { #expect(replay.scheduler.runningJobs.contains { $0.job.id == 0 }) }
        }
        #expect(replay.starts == [0, 15, 100, 300])
        #expect(replay.shares[2].nodes.isDisjoint(with: drained))
    }

    @Test func anAdvanceReservationMovesTheHeadButNotThoseBehindIt() {
        let window = Window(nodes: [5, 6, 7, 8, 9], start: 200, end: 300, reservation: 1)
        let jobs = [
            Replay.Entry(0, 150, ranks: 10),
            // The head would still run at 200, when five nodes are another's.
            Replay.Entry(1, 100, ranks: 8),
            // Five for long would delay it; two do not; five that end at 200 do not.
            Replay.Entry(2, 1000, ranks: 5), Replay.Entry(3, 1000, ranks: 2), Replay.Entry(4, 50, ranks: 5),
            Replay.Entry(5, 100, ranks: 5, reservation: 1),
        ]
        var replay = Replay(jobs, .easy, nodes: Self.nodes, changes: [.init(0, .windows([window]))])
        replay.finish()
        #expect(replay.starts == [0, 300, 400, 150, 150, 200])
        #expect(replay.shares[5].nodes == [5, 6, 7, 8, 9])
        #expect(replay.shares[3].nodes.isSubset(of: [0, 1, 2, 3, 4]))
    }

    @Test(arguments: NamedPolicy.allCases) func aJobOfAReservationStartsWithIt(_ policy: NamedPolicy) {
        let window = Window(nodes: [2, 3], start: 20, end: 60, reservation: 7)
        var replay = Replay(
            [Replay.Entry(0, 40, ranks: 2, reservation: 7)], policy.policy, nodes: Self.nodes, changes: [.init(0, .windows([window]))])
        replay.finish()
        #expect(replay.starts == [20])
        #expect(replay.shares[0].nodes == [2, 3])
    }

    /// By its limit it does not fit before the window, whatever is expected of it.
    @Test(arguments: [nil, 10] as [Int?]) func anExpectedTimeDoesNotCountAgainstAWindow(_ guardAge: Int?) {
        let policy = SchedulingPolicy(order: .arrival, backfill: .easy(shortestFirst: false), guardAge: guardAge)
        let window = Window(nodes: Self.all, start: 100, end: 200)
        let starts = Replay.starts(
            [Replay.Entry(60, 10, ranks: 1, limit: 1000, expected: 10)], policy, nodes: Self.nodes, changes: [.init(0, .windows([window]))])
        #expect(starts == [200])
    }

    /// Slots are counted again once no window is left: the promise is one of slots, not of places, and the last job overtakes it.
    @Test(arguments: NamedPolicy.allCases) func aWindowThatIsOverChangesNothing(_ policy: NamedPolicy) {
        let jobs = [
            Replay.Entry(100, 100, ranks: 2), Replay.Entry(101, 100, ranks: 1), Replay.Entry(102, 50, ranks: 3),
            Replay.Entry(103, 98, ranks: 1),
        ]
        let past = Window(nodes: [0], start: 10, end: 20)
        #expect(
            Replay.starts(jobs, policy.policy, nodes: Self.nodes, changes: [.init(0, .windows([past]))])
                == Replay.starts(jobs, policy.policy, nodes: Self.nodes))
    }

    /// As on a node whose slots were lowered while it was full.
    @Test(arguments: NamedPolicy.allCases) func aNodeThatHoldsTooMuchHoldsNobodyBackElsewhere(_ policy: NamedPolicy) {
        var nodes = equalNodes(2, slots: 4)
        nodes[0].slots = 2
        var scheduler = Scheduler(policy: policy.policy, machine: Machine(nodes))
        let job = Job(id: 0, submitted: 0, ranks: 8, limit: 100)
        scheduler.resume(RunningJob(job: job, started: 0, shares: [Share(node: 0, ranks: 8)]), at: 1)
        scheduler.submit(Job(id: 1, submitted: 1, ranks: 4, limit: 10), at: 1)
        #expect(scheduler.pass(at: 1).map(\.shares) == [[Share(node: 1, ranks: 4)]])
    }

    @Test(arguments: NamedPolicy.allCases) func aWindowThatIsLiftedHoldsNothingBack(_ policy: NamedPolicy) {
        let window = Window(nodes: Self.all, start: 100, end: .max)
        let starts = Replay.starts(
            [Replay.Entry(50, 60, ranks: 1)], policy.policy, nodes: Self.nodes,
            changes: [.init(0, .windows([window])), .init(70, .windows([]))])
        #expect(starts == [70])
    }

    @Test func whatIsClosedFollowsFromTheLimit() {
        var windows = Windows(nodes: 4)
        windows.replace(with: [
            Window(nodes: [2], start: 50, end: 60, reservation: 3), Window(nodes: [0, 1], start: 10, end: 20),
        ])
        func closed(_ start: Int, _ limit: Int, _ reservation: Int? = nil) -> [Int] {
            let set = windows.closed(to: Job(id: 0, submitted: 0, ranks: 1, limit: limit, reservation: reservation), at: start)
            return Self.all.prefix(4).filter { set?.nodes.contains($0) ?? false }
        }
        #expect(closed(0, 10) == [])
        #expect(closed(0, 11) == [0, 1])
        #expect(closed(19, 31) == [0, 1])
        #expect(closed(20, 30) == [])
        #expect(closed(20, 31) == [2])
        #expect(closed(5, 46) == [0, 1, 2])
        #expect(closed(50, 10, 3) == [0, 1, 3])
        #expect(closed(49, 10, 3) == [0, 1, 2, 3])
        #expect(closed(51, 10, 3) == [0, 1, 2, 3])
        #expect(closed(50, 10, 4) == [0, 1, 2, 3])
        #expect(windows.boundaries(after: 10) == [20, 50, 60])
    }

    @Test func aLimitWithoutEndCrossesEveryWindow() {
        var windows = Windows(nodes: 1)
        windows.replace(with: [Window(nodes: [0], start: 50, end: 60)])
        #expect(windows.closed(to: Job(id: 0, submitted: 0, ranks: 1, limit: .max), at: 1)?.nodes.contains(0) == true)
    }

    @Test func aJobWhoseReservationIsOverHoldsNobodyBack() {
        let window = Window(nodes: [2, 3], start: 20, end: 60, reservation: 7)
        let starts = Replay.starts(
            [Replay.Entry(30, 40, ranks: 2, reservation: 7), Replay.Entry(31, 10, ranks: 1)], .firstComeFirstServed, nodes: Self.nodes,
            changes: [.init(0, .windows([window]))])
        // At the latest once the reservation is over.
        #expect(starts[0] == nil && starts[1].map { $0 <= 60 } == true)
    }

    @Test(arguments: NamedPolicy.allCases) func aJobOfAReservationThatIsNotKnownDoesNotStart(_ policy: NamedPolicy) {
        #expect(Replay.starts([Replay.Entry(0, 10, ranks: 1, reservation: 7)], policy.policy, nodes: Self.nodes) == [nil])
    }
}
