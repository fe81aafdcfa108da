// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

@Suite struct FirstComeFirstServedTests {
    static func id(_ number: UInt8) -> RunID { RunID(milliseconds: UInt64(number), random: [UInt8](repeating: number, count: 10)) }

    static func run(_ number: UInt8, ranks: Int, memory: Int = 1) -> WaitingRun {
        WaitingRun(id: id(number), request: ResourceRequest(ranks: ranks, memoryPerRank: memory))
    }

    static func host(slots: Int, memory: Int = 100, usedSlots: Int = 0, usedMemory: Int = 0) -> [NodeRoom] {
        var room = NodeRoom(ClusterNode(name: "host", cores: 2, memory: memory, slots: slots))
        room.slots -= usedSlots
        room.memory -= usedMemory
        return [room]
    }

    static func start(_ number: UInt8, ranks: Int) -> Decision { .start(id(number), [NodeShare(node: "host", ranks: ranks)]) }

    @Test func startsInOrderWhileThereIsRoom() {
        let decisions = FirstComeFirstServed.decide(
            queue: [Self.run(1, ranks: 2), Self.run(2, ranks: 2), Self.run(3, ranks: 1)], rooms: Self.host(slots: 4))
        #expect(decisions.prefix(2) == [Self.start(1, ranks: 2), Self.start(2, ranks: 2)])
        #expect(decisions[2] == .wait(Self.id(3), Pending(reason: "needs 1 slots, 0 are free", position: 1)))
    }

    @Test func aLargeHeadHoldsBackTheSmallOnesBehindIt() {
        let decisions = FirstComeFirstServed.decide(
            queue: [Self.run(1, ranks: 4), Self.run(2, ranks: 1)], rooms: Self.host(slots: 4, usedSlots: 1))
        #expect(
            decisions == [
                .wait(Self.id(1), Pending(reason: "needs 4 slots, 3 are free", position: 1)),
                .wait(Self.id(2), Pending(reason: "waits behind \(Self.id(1)): runs start in the order of submission", position: 2)),
            ])
    }

    @Test func memoryIsCountedToo() {
        let decisions = FirstComeFirstServed.decide(
            queue: [Self.run(1, ranks: 2, memory: 40)], rooms: Self.host(slots: 4, usedSlots: 1, usedMemory: 30))
        #expect(decisions == [.wait(Self.id(1), Pending(reason: "needs 80 MiB of memory, 70 MiB are free", position: 1))])
    }

    @Test func aRunLargerThanTheClusterHoldsNobodyBack() {
        let decisions = FirstComeFirstServed.decide(
            queue: [
                Self.run(1, ranks: 4), Self.run(2, ranks: 1), Self.run(3, ranks: 1, memory: 101), Self.run(4, ranks: 2),
                Self.run(5, ranks: 1),
            ], rooms: Self.host(slots: 2))
        #expect(
            decisions == [
                .wait(Self.id(1), Pending(reason: "can never start: needs 4 slots, there are 2", position: 1)),
                Self.start(2, ranks: 1),
                .wait(Self.id(3), Pending(reason: "can never start: needs 101 MiB of memory, there are 100 MiB", position: 2)),
                .wait(Self.id(4), Pending(reason: "needs 2 slots, 1 are free", position: 3)),
                .wait(Self.id(5), Pending(reason: "waits behind \(Self.id(4)): runs start in the order of submission", position: 4)),
            ])
    }

    @Test func anEngineIsGivenOnlySoManyJobs() {
        let decisions = FirstComeFirstServed.decide(queue: (1...3).map { Self.run($0, ranks: 900) }, jobs: 8, maximumJobs: 10)
        #expect(decisions.prefix(2) == [.start(Self.id(1), nil), .start(Self.id(2), nil)])
        guard case .wait(_, let pending) = decisions[2] else { return #expect(Bool(false), "\(decisions)") }
        #expect(pending.position == 1 && pending.reason.hasPrefix("10 runs are with"))
    }

    @Test func aRunThatCanNeverStartIsRefused() {
        let nodes = [ClusterNode(name: "host", state: .down, cores: 2, memory: 100, slots: 4)]
        func field(_ request: ResourceRequest) -> String? {
            do {
                try FirstComeFirstServed.checkFits(request, nodes: nodes)
                return nil
            } catch { return error.errors.first?.pointer }
        }
        #expect(field(.init(ranks: 5, memoryPerRank: 1)) == "/ranks")
        #expect(field(.init(ranks: 4, memoryPerRank: 26)) == "/memory_per_rank")
        #expect(field(.init(ranks: 4, memoryPerRank: 25)) == nil)
        #expect(field(.init(ranks: 4, memoryPerRank: 1, needs: RunNeeds(nodes: 2))) == "/needs/nodes")
        #expect(field(.init(ranks: 4, memoryPerRank: 1, needs: RunNeeds(labels: ["gpu"]))) == "/needs/labels")
        #expect(field(.init(ranks: 4, memoryPerRank: 1, needs: RunNeeds(architecture: "aarch64"))) == "/needs/architecture")
    }
}
