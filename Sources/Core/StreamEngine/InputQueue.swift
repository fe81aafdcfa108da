// SPDX-License-Identifier: Apache-2.0

import DequeModule

/// The receiving end of all streams into one worker: batches that wait for it, and batches that it has but not yet consumed.
struct InputQueue {
    /// Workers whose stream into this one has not ended.
    private var open: Set<Int>
    private var waiting: Deque<(origin: Int, batch: Batch)> = []
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
        waiting.append((origin, batch))
    }

    mutating func ended(_ origin: Int) throws(StreamViolation) {
        guard open.remove(origin) != nil else { throw StreamViolation("the end of a channel that is not open") }
    }

    /// The next batch that may be handed to the worker.
    mutating func next(_ limits: StreamLimits) -> (number: UInt32, batch: Batch)? {
        guard let size = waiting.first?.batch.weight, unconsumed.count < limits.unconsumedBatches,
            unconsumed.isEmpty || unconsumedBytes + size <= limits.unconsumedBytes, let (origin, batch) = waiting.popFirst()
        else { return nil }
        let number = nextNumber
        nextNumber &+= 1
        waitingBytes -= size
        unconsumedBytes += size
        unconsumed.append((number, origin, size))
        return (number, batch)
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
