// SPDX-License-Identifier: Apache-2.0

import DequeModule

/// The sending end of the stream from one worker to another: gathers records into batches, and lets a batch go when the
/// receiver's credit allows.
struct OutboundChannel: Sendable {
    enum Departure {
        case batch(Batch)
        case end
    }

    private enum State { case open, closing, ended }

    let destination: Int
    private let window: Int
    private let batchBytes: Int

    private var gathering: Batch?
    /// When the batch that is being gathered was begun.
    private(set) var begunAt: Int64?
    private var sealed: Deque<Batch> = []
    private var state = State.open
    private var underway = 0
    /// Bytes that have not left.
    private(set) var queuedBytes = 0

    init(destination: Int, window: Int, batchBytes: Int) {
        self.destination = destination
        self.window = window
        self.batchBytes = batchBytes
    }

    /// The end has left, and everything before it has been consumed.
    var isSettled: Bool { state == .ended && underway == 0 }

    mutating func append(_ record: UnsafeRawBufferPointer, now: Int64) {
        if let size = gathering?.size, size + record.count > batchBytes { seal() }
        if gathering == nil {
            gathering = Batch(capacity: min(batchBytes, 4 * record.count))
            begunAt = now
        }
        gathering?.append(record)
        queuedBytes += record.count
    }

    /// No record is added to the batch that is being gathered.
    mutating func seal() {
        guard let batch = gathering.take() else { return }
        sealed.append(batch)
        begunAt = nil
    }

    /// No record will be added any more.
    mutating func close() {
        seal()
        state = .closing
    }

    /// What may leave now.
    mutating func next() -> Departure? {
        if let size = sealed.first?.size {
            guard underway == 0 || underway + size <= window else { return nil }
            underway += size
            queuedBytes -= size
            return sealed.popFirst().map(Departure.batch)
        }
        guard state == .closing else { return nil }
        state = .ended
        return .end
    }

    mutating func credit(_ bytes: Int) throws(StreamViolation) {
        guard bytes <= underway else { throw StreamViolation("credit for \(bytes) bytes where \(underway) are under way") }
        underway -= bytes
    }
}
