// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Nanoseconds of the system's clocks.
enum HostClock {
    /// Never goes back.
    static var monotonic: Int64 { read(CLOCK_MONOTONIC) }
    /// Since 1970, UTC.
    static var wall: Int64 { read(CLOCK_REALTIME) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
