// SPDX-License-Identifier: Apache-2.0

/// When to try again after a connection was lost: soon at first, then less and less often, and not for ever.
package struct Reconnection: Sendable, Equatable {
    package enum Action: Sendable, Equatable {
        case retry(after: Duration)
        case giveUp
    }

    /// Without a word from the server for this long it is given up.
    package static let patience = Duration.seconds(60)
    private static let firstDelay = Duration.milliseconds(250)
    private static let longestDelay = Duration.seconds(8)

    private var silentSince: ContinuousClock.Instant?
    private var delay = Reconnection.firstDelay

    package init() {}

    /// The server was heard.
    package mutating func heard() { self = Reconnection() }

    package mutating func lost(at now: ContinuousClock.Instant) -> Action {
        let start = silentSince ?? now
        silentSince = start
        let left = Self.patience - (now - start)
        guard left > .zero else { return .giveUp }
        defer { delay = min(delay * 2, Self.longestDelay) }
        return .retry(after: min(delay, left))
    }
}
