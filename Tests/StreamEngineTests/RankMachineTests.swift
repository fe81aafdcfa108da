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

    /// An OUTPUT frame's body with chunks of so many bytes each.
    private func output(_ sizes: [Int]) -> [UInt8] {
        var bytes: [UInt8] = []
        for size in sizes {
            Chunk(length: size, edge: 0, replica: 0, count: 1, listsIDs: false, weight: size).encode(into: &bytes)
            bytes += [UInt8](repeating: 1, count: size - Chunk.headerSize)
        }
        return bytes
    }

    private func data(_ sizes: [Int]) -> FixedBytes {
        let body = output(sizes)
        return Message.data(from: 0, to: 1, Batch([ChunkSlice(body: PaddedBytes(body), range: body.indices, weight: body.count)])).encoded()
    }

    private func actions(_ machine: inout RankMachine) -> [RankMachine.Action] {
        var actions: [RankMachine.Action] = []
        while let action = machine.nextAction() { actions.append(action) }
        return actions
    }

    /// Actions in words, as `send 80`, `feed 1`, `read true`.
    private func names(_ actions: [RankMachine.Action]) throws -> [String] {
        try actions.map {
            switch $0 {
            case .send(let bytes, _):
                switch try Message(bytes) {
                case .data(_, _, let batch): "send \(batch.weight)"
                case .barrier(_, _, let checkpoint): "barrier \(checkpoint)"
                case .part(_, _, let checkpoint): "part \(checkpoint)"
                case .end: "end"
                case .sourceEnded: "source ended"
                case .credit(_, _, let bytes): "credit \(bytes)"
                }
            case .feed(_, let number, _): "feed \(number)"
            case .go: "go"
            case .checkpoint(_, let checkpoint, _): "checkpoint \(checkpoint)"
            case .finish: "finish"
            case .read(_, let reading): "read \(reading)"
            }
        }
    }

    @Test func chunksLeaveAtOnceWhileThereIsCredit() throws {
        var limits = StreamLimits()
        limits.batchBytes = 100
        var machine = try machine(rank: 0, limits)
        try machine.ready(0)
        #expect(try names(actions(&machine)) == ["go"])
        try machine.wrote(PaddedBytes(output([40, 40, 40])), worker: 0)
        #expect(try names(actions(&machine)) == ["send 80", "send 40"])
    }

    @Test func onlyTheWindowIsUnderWayUntilCreditComes() throws {
        var limits = StreamLimits()
        limits.batchBytes = 100
        limits.window = 250
        limits.outputBytes = 300
        var machine = try machine(rank: 0, limits)
        try machine.ready(0)
        _ = actions(&machine)
        try machine.wrote(PaddedBytes(output([100, 100, 100, 100, 100, 100])), worker: 0)
        #expect(try names(actions(&machine)) == ["send 100", "send 100", "read false"])
        try machine.received(Message.credit(from: 0, to: 1, bytes: 200).encoded(), fromRank: 1)
        #expect(try names(actions(&machine)) == ["send 100", "send 100"], "resumed above half of the limit")
        try machine.received(Message.credit(from: 0, to: 1, bytes: 200).encoded(), fromRank: 1)
        #expect(try names(actions(&machine)) == ["send 100", "send 100", "read true"])
    }

    @Test func aChunkLargerThanTheWindowPassesAlone() throws {
        var limits = StreamLimits()
        limits.batchBytes = 100
        limits.window = 100
        var machine = try machine(rank: 0, limits)
        try machine.ready(0)
        try machine.wrote(PaddedBytes(output([50, 5000, 50])), worker: 0)
        #expect(try names(actions(&machine)) == ["go", "send 50"])
        try machine.received(Message.credit(from: 0, to: 1, bytes: 50).encoded(), fromRank: 1)
        #expect(try names(actions(&machine)) == ["send 5000"])
    }

    @Test func theEndComesAfterTheDataAndTheRankEndsWhenAllIsConsumed() throws {
        var machine = try machine(rank: 0)
        try machine.ready(0)
        try machine.wrote(PaddedBytes(output([50])), worker: 0)
        try machine.done(0)
        #expect(try names(actions(&machine)) == ["go", "send 50", "end"])
        #expect(!machine.isFinished)
        try machine.received(Message.credit(from: 0, to: 1, bytes: 50).encoded(), fromRank: 1)
        #expect(machine.isFinished)
    }

    @Test func aWorkerIsGivenSixteenBatchesAndTheNextWhenItHasConsumedOne() throws {
        var machine = try machine(rank: 1)
        for _ in 0..<18 { try machine.received(data([50]), fromRank: 0) }
        #expect(actions(&machine).isEmpty, "fed before it was ready")
        try machine.ready(1)
        #expect(try names(actions(&machine)) == (0..<16).map { "feed \($0)" })
        try machine.consumed(0, worker: 1)
        #expect(try names(actions(&machine)) == ["credit 50", "feed 16"])
    }

    @Test func aCheckpointWaitsForTheBarriersOfAllOpenStreams() throws {
        let layout = Layout(stages: [(1, 1), (1, 1), (1, 1)], links: [(0, 0, 2, .roundRobin), (1, 0, 2, .roundRobin)]) { $0 }
        var machine = RankMachine(routing: try Routing(graph: layout.graph, plan: layout.plan), rank: 2)
        func data(from worker: Int) -> FixedBytes {
            let body = output([50])
            return Message.data(from: worker, to: 2, Batch([ChunkSlice(body: PaddedBytes(body), range: body.indices, weight: 50)]))
                .encoded()
        }
        func barrier(from worker: Int, _ number: UInt32) -> FixedBytes {
            Message.barrier(from: worker, to: 2, checkpoint: number).encoded()
        }
        try machine.ready(2)
        try machine.received(barrier(from: 0, 1), fromRank: 0)
        try machine.received(data(from: 0), fromRank: 0)
        #expect(actions(&machine).isEmpty, "what comes after a barrier waits")
        try machine.received(data(from: 1), fromRank: 1)
        #expect(try names(actions(&machine)) == ["feed 0"])
        try machine.received(barrier(from: 1, 1), fromRank: 1)
        #expect(try names(actions(&machine)) == ["checkpoint 1", "feed 1"])
        #expect(throws: StreamViolation.self, "a barrier too early") {
            try machine.received(barrier(from: 0, 2), fromRank: 0)
            try machine.received(barrier(from: 0, 3), fromRank: 0)
        }
        // A stream that has ended holds nothing up.
        try machine.received(Message.end(from: 1, to: 2).encoded(), fromRank: 1)
        #expect(try names(actions(&machine)) == ["checkpoint 2"])
    }

    @Test func aBarrierLeavesBehindWhatWasWrittenBeforeWithoutCredit() throws {
        var limits = StreamLimits()
        limits.window = 100
        limits.batchBytes = 100
        let routing = try Routing(graph: Self.layout.graph, plan: Self.layout.plan)
        var machine = RankMachine(routing: routing, rank: 0, limits: limits, checkpointInterval: 10)
        try machine.tick(100)
        #expect(actions(&machine).isEmpty, "the source does not run yet")
        try machine.ready(0)
        try machine.tick(101)
        try machine.tick(110)
        #expect(try names(actions(&machine)) == ["go"])
        try machine.tick(111)
        #expect(try names(actions(&machine)) == ["checkpoint 1"])
        try machine.wrote(PaddedBytes(output([100])), worker: 0)
        try machine.checkpointed(1, worker: 0)
        try machine.wrote(PaddedBytes(output([100])), worker: 0)
        #expect(try names(actions(&machine)) == ["send 100", "barrier 1"])
        try machine.received(Message.credit(from: 0, to: 1, bytes: 100).encoded(), fromRank: 1)
        #expect(try names(actions(&machine)) == ["send 100"])
    }

    @Test func aSourceTakesPartInWhatOneThatHasEndedBegan() throws {
        let layout = Layout(stages: [(1, 1), (1, 1), (1, 1)], links: [(0, 0, 2, .roundRobin), (1, 0, 2, .roundRobin)]) { $0 }
        var machine = RankMachine(
            routing: try Routing(graph: layout.graph, plan: layout.plan), rank: 1, checkpointInterval: 1_000_000)
        try machine.ready(1)
        try machine.received(Message.part(from: 0, to: 1, checkpoint: 1).encoded(), fromRank: 0)
        try machine.received(Message.sourceEnded(from: 0, to: 1).encoded(), fromRank: 0)
        try machine.tick(1)
        #expect(try names(actions(&machine)) == ["go", "go", "checkpoint 1"], "or its reader would hold back what comes after barrier 1")
        try machine.checkpointed(1, worker: 1)
        try machine.paused(1)
        #expect(try names(actions(&machine)) == ["barrier 1", "part 1", "go"])
    }

    @Test func aSourceAtItsLastItemHoldsNoBarrierBack() throws {
        let routing = try Routing(graph: Self.layout.graph, plan: Self.layout.plan)
        var machine = RankMachine(routing: routing, rank: 0, checkpointInterval: 10)
        try machine.ready(0)
        try machine.tick(0)
        try machine.tick(10)
        #expect(try names(actions(&machine)) == ["go", "checkpoint 1"])
        // It was asked, and will not answer before its end.
        try machine.atLastItem(0)
        #expect(try names(actions(&machine)) == ["barrier 1", "go"])
        try machine.tick(1000)
        #expect(actions(&machine).isEmpty)
    }

    @Test func finishComesAfterTheLastBatch() throws {
        var machine = try machine(rank: 1)
        try machine.ready(1)
        try machine.received(data([50]), fromRank: 0)
        try machine.received(Message.end(from: 0, to: 1).encoded(), fromRank: 0)
        #expect(try names(actions(&machine)) == ["feed 0", "finish"])
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
        #expect(throws: StreamViolation.self, "output of a sink") { try machine.wrote(PaddedBytes(output([50])), worker: 1) }
    }
}
