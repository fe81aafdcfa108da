// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import RankRuntime

@Suite struct BackoffTests {
    @Test func whoIsBusyDoesNotSleep() {
        var idle = Backoff()
        for _ in 0..<100 {
            #expect(idle.next() == 0)
            idle.reset()
        }
    }

    /// What comes after a time is found little later, and a rank without work looks seldom.
    @Test func aWaitIsAShareOfTheIdleTime() {
        var idle = Backoff()
        var waited: Int64 = 0
        var looks = 0
        while waited < 10_000_000_000 {
            let wait = idle.next()
            #expect(wait <= max(50_000, waited / 16))
            #expect(wait <= 20_000_000)
            waited += wait
            looks += 1
        }
        #expect(looks < 700, "in ten seconds")
        idle.reset()
        #expect(idle.next() == 0)
    }
}
