// SPDX-License-Identifier: Apache-2.0

/// How long an idle rank waits before it looks again: not at all for a moment, since most answers come at once; then from 50 µs
/// up to a bound. What its workers send wakes it in any case.
struct Backoff {
    private static let looks = 20
    private static let shortest: Int64 = 50_000

    private let longest: Int64
    private var idle = 0
    private var wait = shortest

    /// MPI has no way to wait without burning a core, so other ranks' messages are found by looking. A rank that is alone looks
    /// only after its own batches.
    init(ranks: Int) { longest = ranks > 1 ? 1_000_000 : 5_000_000 }

    mutating func reset() {
        idle = 0
        wait = Self.shortest
    }

    /// Nanoseconds.
    mutating func next() -> Int64 {
        idle += 1
        guard idle > Self.looks else { return 0 }
        defer { wait = min(2 * wait, longest) }
        return wait
    }
}
