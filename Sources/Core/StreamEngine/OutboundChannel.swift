// SPDX-License-Identifier: Apache-2.0

import DequeModule

/// The sending end of the stream from one worker to another: lets chunks go as the receiver's credit allows, at once while it
/// does, and those that had to wait together.
struct OutboundChannel {
    enum Departure {
        case batch(Batch)
        case barrier(checkpoint: UInt32)
        case end
    }

    private enum Waiting {
        case chunk(ChunkSlice)
        case barrier(checkpoint: UInt32)
    }

    private enum State { case open, closing, ended }

    /// From here on it costs more to put a chunk together with others than to send it as it is.
    private static let wholeBytes = 32 << 10

    let destination: Int
    private let window: Int
    private let batchBytes: Int

    private var waiting: Deque<Waiting> = []
    private var state = State.open
    private var underway = 0
    /// Weight of what has not left.
    private(set) var queuedBytes = 0

    init(destination: Int, window: Int, batchBytes: Int) {
        self.destination = destination
        self.window = window
        self.batchBytes = batchBytes
    }

    /// The end has left, and everything before it has been consumed.
    var isSettled: Bool { state == .ended && underway == 0 }

    mutating func append(_ chunk: ChunkSlice) {
        waiting.append(.chunk(chunk))
        queuedBytes += chunk.weight
    }

    /// Leaves after the chunks before it, whatever the credit.
    mutating func append(barrierOf checkpoint: UInt32) { waiting.append(.barrier(checkpoint: checkpoint)) }

    /// No chunk will be added any more.
    mutating func close() { state = .closing }

    /// What may leave now: chunks up to the size of a batch and to what the window has room for, one chunk where it is larger.
    mutating func next() -> Departure? {
        guard !waiting.isEmpty else {
            guard state == .closing else { return nil }
            state = .ended
            return .end
        }
        if case .barrier(let checkpoint) = waiting.first {
            waiting.removeFirst()
            return .barrier(checkpoint: checkpoint)
        }
        var parts: [ChunkSlice] = []
        var (size, weight) = (0, 0)
        while case .chunk(let chunk) = waiting.first {
            let isFirst = parts.isEmpty
            if !isFirst, parts[0].isWhole, size >= Self.wholeBytes { break }
            guard underway + weight == 0 || underway + weight + chunk.weight <= window, isFirst || size + chunk.range.count <= batchBytes
            else { break }
            size += chunk.range.count
            weight += chunk.weight
            parts.append(chunk)
            waiting.removeFirst()
        }
        guard !parts.isEmpty else { return nil }
        underway += weight
        queuedBytes -= weight
        return .batch(Batch(parts))
    }

    mutating func credit(_ bytes: Int) throws(StreamViolation) {
        guard bytes <= underway else { throw StreamViolation("credit for \(bytes) bytes where \(underway) are under way") }
        underway -= bytes
    }
}
