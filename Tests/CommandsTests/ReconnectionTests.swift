// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Commands

struct ReconnectionTests {
    @Test func theDelaysGrowAndThenItIsGivenUp() {
        var reconnection = Reconnection()
        let start = ContinuousClock.now
        var now = start
        var delays: [Duration] = []
        while case .retry(let delay) = reconnection.lost(at: now) {
            delays.append(delay)
            now += delay
        }
        #expect(delays.prefix(6) == [.milliseconds(250), .milliseconds(500), .seconds(1), .seconds(2), .seconds(4), .seconds(8)])
        #expect(now - start == Reconnection.patience)
    }

    @Test func aWordFromTheServerStartsAnew() {
        var reconnection = Reconnection()
        let start = ContinuousClock.now
        _ = reconnection.lost(at: start)
        reconnection.heard()
        #expect(reconnection.lost(at: start + .seconds(3600)) == .retry(after: .milliseconds(250)))
    }
}
