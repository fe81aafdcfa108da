// SPDX-License-Identifier: Apache-2.0

/// How long an idle rank waits before it looks again: not at all for a moment, since most answers come at once; then a share of
/// the time that it has been idle, so that what has taken long is found little later. What its workers send wakes it in any case.
struct Backoff {
    private static let looks = 20
    private static let shortest: Int64 = 50_000
    /// MPI has no way to wait without burning a core, so other ranks' messages are found by looking.
    private static let longest: Int64 = 20_000_000
    private static let share: Int64 = 16

    private var idle = 0
    private var waited: Int64 = 0

    mutating func reset() { (idle, waited) = (0, 0) }

    /// Nanoseconds.
    mutating func next() -> Int64 {
        idle += 1
        guard idle > Self.looks else { return 0 }
        let wait = min(max(Self.shortest, waited / Self.share), Self.longest)
        waited += wait
        return wait
    }
}
