// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

@Suite struct FirstComeFirstServedTests {
    static func id(_ number: UInt8) -> RunID { RunID(milliseconds: UInt64(number), random: [UInt8](repeating: number, count: 10)) }

    static func run(_ number: UInt8, ranks: Int, memory: Int = 1) -> WaitingRun {
        WaitingRun(id: id(number), request: ResourceRequest(ranks: ranks, memoryPerRank: memory))
    }

    @Test func startsInOrderWhileThereIsRoom() {
        let decisions = FirstComeFirstServed.decide(
            queue: [Self.run(1, ranks: 2), Self.run(2, ranks: 2), Self.run(3, ranks: 1)], capacity: .init(slots: 4, memory: 100),
            used: .init(slots: 0, memory: 0))
        #expect(decisions.prefix(2) == [.start(Self.id(1)), .start(Self.id(2))])
        #expect(decisions[2] == .wait(Self.id(3), Pending(reason: "needs 1 slots, 0 are free", position: 1)))
    }

    @Test func aLargeHeadHoldsBackTheSmallOnesBehindIt() {
        let decisions = FirstComeFirstServed.decide(
            queue: [Self.run(1, ranks: 4), Self.run(2, ranks: 1)], capacity: .init(slots: 4, memory: 100), used: .init(slots: 1, memory: 0))
        #expect(
            decisions == [
                .wait(Self.id(1), Pending(reason: "needs 4 slots, 3 are free", position: 1)),
                .wait(Self.id(2), Pending(reason: "waits behind \(Self.id(1)): runs start in the order of submission", position: 2)),
            ])
    }

    @Test func memoryIsCountedToo() {
        let decisions = FirstComeFirstServed.decide(
            queue: [Self.run(1, ranks: 2, memory: 40)], capacity: .init(slots: 4, memory: 100), used: .init(slots: 1, memory: 30))
        #expect(decisions == [.wait(Self.id(1), Pending(reason: "needs 80 MiB of memory, 70 MiB are free", position: 1))])
    }

    @Test func aRunLargerThanTheHostHoldsNobodyBack() {
        let decisions = FirstComeFirstServed.decide(
            queue: [
                Self.run(1, ranks: 4), Self.run(2, ranks: 1), Self.run(3, ranks: 1, memory: 101), Self.run(4, ranks: 2),
                Self.run(5, ranks: 1),
            ],
            capacity: .init(slots: 2, memory: 100), used: .init(slots: 0, memory: 0))
        #expect(
            decisions == [
                .wait(Self.id(1), Pending(reason: "can never start: needs 4 slots, the host declares 2", position: 1)),
                .start(Self.id(2)),
                .wait(
                    Self.id(3), Pending(reason: "can never start: needs 101 MiB of memory, the host declares 100 MiB", position: 2)),
                .wait(Self.id(4), Pending(reason: "needs 2 slots, 1 are free", position: 3)),
                .wait(Self.id(5), Pending(reason: "waits behind \(Self.id(4)): runs start in the order of submission", position: 4)),
            ])
    }

    @Test func capacityIsNeverExceeded() {
        for _ in 0..<500 {
            let capacity = Capacity(slots: .random(in: 1...20), memory: .random(in: 1...200))
            let used = Capacity(slots: .random(in: 0...capacity.slots), memory: .random(in: 0...capacity.memory))
            let queue = (0..<UInt8.random(in: 0...30)).map { Self.run($0, ranks: .random(in: 1...8), memory: .random(in: 0...40)) }
            let decisions = FirstComeFirstServed.decide(queue: queue, capacity: capacity, used: used)
            #expect(decisions.count == queue.count)
            let held = zip(queue, decisions).reduce(used) { if case .start = $1.1 { $0 + Capacity($1.0.request) } else { $0 } }
            #expect(capacity.holds(held))
        }
    }

    @Test func aRunThatCanNeverStartIsRefused() {
        #expect(throws: Problem.self) {
            try FirstComeFirstServed.checkFits(.init(ranks: 5, memoryPerRank: 1), capacity: .init(slots: 4, memory: 100))
        }
        #expect(throws: Problem.self) {
            try FirstComeFirstServed.checkFits(.init(ranks: 4, memoryPerRank: 26), capacity: .init(slots: 4, memory: 100))
        }
        #expect(throws: Never.self) {
            try FirstComeFirstServed.checkFits(.init(ranks: 4, memoryPerRank: 25), capacity: .init(slots: 4, memory: 100))
        }
    }
}
