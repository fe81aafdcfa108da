// SPDX-License-Identifier: Apache-2.0

package enum CheckpointRules {
    /// How many items a source may process before it is first asked for its part.
    package static func firstItems(workers: Int) -> Int { max(16, 2 * workers) }
}

/// When the sources of a rank take the next checkpoint, and how far they may run ahead of it.
///
/// There is one checkpoint at a time: the next begins when all workers of the run have taken the last one, and then as soon as the
/// interval is over, a source has processed the items that it was allowed, or another rank has begun. What lies between two
/// checkpoints, and is lost with a failure, is so about two intervals of work, however fast the sources are.
struct CheckpointPace {
    private static let mostItems = 1 << 30

    private let interval: Int64
    private let workers: Int
    private var number: UInt32 = 0
    /// When the last one began; at first, when the sources did, which is the first tick.
    private var begunAt: Int64?
    private var now: Int64 = 0
    /// Workers that have taken the last one, and the one after it.
    private var taken: Int
    private var takenNext = 0
    private var items: Int
    /// A source takes no further part, so that no checkpoint will be complete any more.
    private var isOver = false
    private var isPaused = false
    private var wasPaused = false

    /// - Parameters:
    ///   - interval: nanoseconds, as all times.
    ///   - workers: of the run.
    init(interval: Int64, workers: Int) {
        self.interval = interval
        self.workers = workers
        taken = workers
        items = CheckpointRules.firstItems(workers: workers)
    }

    /// No checkpoint begins here any more but those that others have begun: what waits for their barriers must not wait for long.
    mutating func end() { isOver = true }

    var isRunning: Bool { !isOver }

    /// A source has processed all items that it was allowed, and waits.
    mutating func paused() { isPaused = true }

    mutating func took(_ checkpoint: UInt32) throws(StreamViolation) {
        switch checkpoint {
        case number where number > 0 && taken < workers:
            taken += 1
            if taken == workers { adapt() }
        case number + 1 where takenNext < workers: takenNext += 1
        default: throw StreamViolation("a part of checkpoint \(checkpoint) during checkpoint \(number)")
        }
    }

    /// - Returns: the checkpoint that begins now, if one does, and how many items a source may process from it to the next.
    mutating func tick(_ now: Int64) -> (checkpoint: UInt32, items: Int)? {
        self.now = now
        let since = begunAt ?? now
        begunAt = since
        guard taken == workers, takenNext > 0 || !isOver && (isPaused || now - since >= interval) else { return nil }
        number += 1
        (taken, takenNext) = (takenNext, 0)
        (wasPaused, isPaused) = (isPaused, false)
        begunAt = now
        return (number, items)
    }

    /// From its beginning to its end a checkpoint takes as long as what lies before it.
    private mutating func adapt() {
        guard let begunAt else { return }
        let duration = now - begunAt
        if duration > interval {
            // Fewer would leave workers without work.
            items = max(2 * workers, items / 2)
        } else if wasPaused, duration < interval / 2 {
            items = min(2 * items, Self.mostItems)
        }
    }
}
