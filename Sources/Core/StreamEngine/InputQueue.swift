// SPDX-License-Identifier: Apache-2.0

import DequeModule

/// The receiving end of all streams into one worker: batches that wait for it, and batches that it has but not yet consumed.
///
/// At a checkpoint the streams are aligned: what comes on a stream after its barrier waits until the barriers of all others have
/// come, so that the worker is told of the checkpoint when it has just what came before (asynchronous barrier snapshots: Carbone
/// et al., "Lightweight Asynchronous Snapshots for Distributed Dataflows", 2015). An ended stream holds nothing up.
struct InputQueue {
    enum Next {
        case batch(number: UInt32, Batch)
        case checkpoint(UInt32)
    }

    private enum Waiting {
        case batch(origin: Int, Batch)
        case checkpoint(UInt32)
    }

    private struct Alignment {
        let checkpoint: UInt32
        /// Workers whose barrier has come.
        var passed: Set<Int> = []
        var held: [Waiting] = []
    }

    /// Workers whose stream into this one has not ended.
    private var open: Set<Int>
    private var waiting: Deque<Waiting> = []
    private var alignment: Alignment?
    private var unconsumed: Deque<(number: UInt32, origin: Int, bytes: Int)> = []
    private var unconsumedBytes = 0
    private var nextNumber: UInt32 = 0
    private(set) var waitingBytes = 0

    init(origins: [Int]) { open = Set(origins) }

    var heldBytes: Int { waitingBytes + unconsumedBytes }
    /// Nothing will come any more, and all that came has been handed over.
    var isExhausted: Bool { open.isEmpty && waiting.isEmpty }
    var isConsumed: Bool { unconsumed.isEmpty }

    mutating func received(_ batch: Batch, from origin: Int) throws(StreamViolation) {
        guard open.contains(origin) else { throw StreamViolation("data on a channel that is not open") }
        waitingBytes += batch.weight
        if alignment?.passed.contains(origin) == true {
            alignment?.held.append(.batch(origin: origin, batch))
        } else {
            waiting.append(.batch(origin: origin, batch))
        }
    }

    mutating func passed(_ checkpoint: UInt32, from origin: Int) throws(StreamViolation) {
        guard open.contains(origin) else { throw StreamViolation("a barrier on a channel that is not open") }
        var alignment = alignment ?? Alignment(checkpoint: checkpoint)
        guard alignment.checkpoint == checkpoint, alignment.passed.insert(origin).inserted else {
            throw StreamViolation("a barrier of checkpoint \(checkpoint) before checkpoint \(alignment.checkpoint) is complete")
        }
        self.alignment = alignment
        align()
    }

    mutating func ended(_ origin: Int) throws(StreamViolation) {
        guard open.remove(origin) != nil else { throw StreamViolation("the end of a channel that is not open") }
        align()
    }

    private mutating func align() {
        guard let alignment, open.isSubset(of: alignment.passed) else { return }
        waiting.append(.checkpoint(alignment.checkpoint))
        waiting += alignment.held
        self.alignment = nil
    }

    /// What may be handed to the worker next.
    mutating func next(_ limits: StreamLimits) -> Next? {
        switch waiting.first {
        case nil: return nil
        case .checkpoint(let checkpoint):
            waiting.removeFirst()
            return .checkpoint(checkpoint)
        case .batch(let origin, let batch):
            let size = batch.weight
            guard unconsumed.count < limits.unconsumedBatches, unconsumed.isEmpty || unconsumedBytes + size <= limits.unconsumedBytes
            else { return nil }
            waiting.removeFirst()
            let number = nextNumber
            nextNumber &+= 1
            waitingBytes -= size
            unconsumedBytes += size
            unconsumed.append((number, origin, size))
            return .batch(number: number, batch)
        }
    }

    /// The worker has processed the batch; the result says whom to credit.
    mutating func consumed(_ number: UInt32) throws(StreamViolation) -> (origin: Int, bytes: Int) {
        guard let first = unconsumed.first, first.number == number else {
            throw StreamViolation("batch \(number) reported as consumed out of turn")
        }
        unconsumed.removeFirst()
        unconsumedBytes -= first.bytes
        return (first.origin, first.bytes)
    }
}
