// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@testable import StreamEngine

struct RankMachineTests {
    /// Worker 0 (source) on rank 0, worker 1 on rank 1.
    private static let layout = Layout(stages: [(1, 1), (1, 1)], links: [(0, 0, 1, .roundRobin)]) { $0 }

    private func machine(rank: Int, _ limits: StreamLimits = StreamLimits()) throws -> RankMachine {
        RankMachine(routing: try Routing(graph: Self.layout.graph, plan: Self.layout.plan), rank: rank, limits: limits)
    }

    /// An OUTPUT frame's body with records of so many bytes each.
    private func output(_ sizes: [Int]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(UInt32(sizes.count))
        for size in sizes {
            let value = [UInt8](repeating: 1, count: size - Record.headerSize)
            Record(edge: 0, datum: 0, keyHash: 0, valueLength: value.count).encode(value: value, into: &bytes)
        }
        return bytes
    }

    private func data(_ sizes: [Int]) -> [UInt8] {
        var batch = Batch()
        for size in sizes { output([size]).withUnsafeBytes { batch.append(UnsafeRawBufferPointer(rebasing: $0[4...])) } }
        return Message.data(from: 0, to: 1, batch).encoded()
    }

    private func actions(_ machine: inout RankMachine) -> [RankMachine.Action] {
        var actions: [RankMachine.Action] = []
        while let action = machine.nextAction() { actions.append(action) }
        return actions
    }

    private func sizes(_ actions: [RankMachine.Action]) throws -> [Int] {
        try actions.compactMap {
            guard case .send(let bytes, _) = $0, case .data(_, _, let batch) = try Message(bytes) else { return nil }
            return batch.size
        }
    }

    @Test func aBatchLeavesWhenItIsFullOrOld() throws {
        var limits = StreamLimits()
        limits.batchBytes = 100
        var machine = try machine(rank: 0, limits)
        try machine.ready(0)
        #expect(actions(&machine) == [.go(worker: 0)])
        try machine.wrote(output([40, 40, 40]), worker: 0, now: 0)
        #expect(try sizes(actions(&machine)) == [80])
        try machine.tick(limits.batchAge - 1)
        #expect(actions(&machine) == [])
        try machine.tick(limits.batchAge)
        #expect(try sizes(actions(&machine)) == [40])
    }

    @Test func onlyTheWindowIsUnderWayUntilCreditComes() throws {
        var limits = StreamLimits()
        limits.batchBytes = 100
        limits.window = 250
        limits.outputBytes = 300
        var machine = try machine(rank: 0, limits)
        try machine.ready(0)
        _ = actions(&machine)
        try machine.wrote(output([100, 100, 100, 100, 100, 100]), worker: 0, now: 0)
        var told = actions(&machine)
        #expect(try sizes(told) == [100, 100])
        #expect(told.last == .read(worker: 0, false))
        try machine.received(Message.credit(from: 0, to: 1, bytes: 200).encoded(), fromRank: 1)
        told = actions(&machine)
        #expect(try sizes(told) == [100, 100])
        #expect(!told.contains(.read(worker: 0, true)), "resumed above half of the limit")
        try machine.received(Message.credit(from: 0, to: 1, bytes: 200).encoded(), fromRank: 1)
        told = actions(&machine)
        #expect(try sizes(told) == [100])
        #expect(told.contains(.read(worker: 0, true)))
    }

    @Test func aRecordLargerThanTheWindowPassesAlone() throws {
        var limits = StreamLimits()
        limits.batchBytes = 100
        limits.window = 100
        var machine = try machine(rank: 0, limits)
        try machine.ready(0)
        try machine.wrote(output([50, 5000, 50]), worker: 0, now: 0)
        #expect(try sizes(actions(&machine)) == [50])
        try machine.received(Message.credit(from: 0, to: 1, bytes: 50).encoded(), fromRank: 1)
        #expect(try sizes(actions(&machine)) == [5000])
    }

    @Test func theEndComesAfterTheDataAndTheRankEndsWhenAllIsConsumed() throws {
        var machine = try machine(rank: 0)
        try machine.ready(0)
        try machine.wrote(output([50]), worker: 0, now: 0)
        try machine.done(0)
        let sent = actions(&machine).compactMap { if case .send(let bytes, _) = $0 { try? Message(bytes) } else { nil } }
        #expect(sent.count == 2)
        #expect(sent.last == .end(from: 0, to: 1))
        #expect(!machine.isFinished)
        try machine.received(Message.credit(from: 0, to: 1, bytes: 50).encoded(), fromRank: 1)
        #expect(machine.isFinished)
    }

    @Test func aWorkerIsGivenFourBatchesAndTheNextWhenItHasConsumedOne() throws {
        var machine = try machine(rank: 1)
        for _ in 0..<6 { try machine.received(data([50]), fromRank: 0) }
        #expect(actions(&machine) == [], "fed before it was ready")
        try machine.ready(1)
        #expect(actions(&machine).count == 4)
        try machine.consumed(0, worker: 1)
        let told = actions(&machine)
        #expect(told.first == .send(Message.credit(from: 0, to: 1, bytes: 50).encoded(), rank: 0))
        guard case .feed(worker: 1, number: 4, _) = told.last else {
            Issue.record("the fifth batch was not handed over: \(told)")
            return
        }
    }

    @Test func finishComesAfterTheLastBatch() throws {
        var machine = try machine(rank: 1)
        try machine.ready(1)
        try machine.received(data([50]), fromRank: 0)
        try machine.received(Message.end(from: 0, to: 1).encoded(), fromRank: 0)
        let told = actions(&machine)
        #expect(told.count == 2)
        #expect(told.last == .finish(worker: 1))
    }

    @Test func whatNoSanePeerSendsIsRefused() throws {
        let end = Message.end(from: 0, to: 1).encoded()
        var machine = try machine(rank: 1)
        #expect(throws: StreamViolation.self, "from another rank than the sender's") { try machine.received(end, fromRank: 1) }
        #expect(throws: StreamViolation.self, "to a worker elsewhere") {
            try machine.received(Message.end(from: 0, to: 0).encoded(), fromRank: 0)
        }
        #expect(throws: StreamViolation.self, "to a worker that is not") {
            try machine.received(Message.end(from: 0, to: 99).encoded(), fromRank: 0)
        }
        #expect(throws: StreamViolation.self, "credit for nothing") {
            try machine.received(Message.credit(from: 1, to: 0, bytes: 1).encoded(), fromRank: 0)
        }
        #expect(throws: StreamViolation.self, "consumed what it has not got") { try machine.consumed(0, worker: 1) }
        #expect(throws: StreamViolation.self, "done before its input") { try machine.done(1) }
        try machine.received(end, fromRank: 0)
        #expect(throws: StreamViolation.self, "a second end") { try machine.received(end, fromRank: 0) }
        #expect(throws: StreamViolation.self, "data after the end") { try machine.received(data([50]), fromRank: 0) }
        try machine.ready(1)
        #expect(throws: StreamViolation.self, "ready twice") { try machine.ready(1) }
        #expect(throws: StreamViolation.self, "output of a sink") { try machine.wrote(output([50]), worker: 1, now: 0) }
    }
}
