// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// What to do about a key id, decided from what is cached and the time alone.
///
/// A known key is served at once, if need be while a refresh runs behind. An unknown one causes a refresh, but not sooner than
/// `cooldown` after the last one, and a key id that a refresh did not bring is remembered for a while: invented key ids can
/// neither flood the issuer nor slow down other callers.
struct KeyCache: Sendable {
    struct Policy: Sendable {
        var refreshAfter: TimeInterval = 6 * 3600
        var minimumRefresh: TimeInterval = 3600
        /// How long keys stay usable while the issuer cannot be reached.
        var usableFor: TimeInterval = 2 * 86400
        var cooldown: TimeInterval = 60
        /// Cooldown while there are no usable keys at all.
        var retryAfterFailure: TimeInterval = 5
        var rememberUnknownFor: TimeInterval = 300
        var maximumUnknown = 1000
    }

    enum Decision {
        case use(VerificationKey)
        /// Serve this one, and refresh without making the caller wait.
        case useAndRefresh(VerificationKey)
        /// Refresh, then ask again.
        case refresh
        case refuse(TokenError)
    }

    let policy: Policy
    private var keys: KeySet?
    private var fetchedAt = Date.distantPast
    private var refreshAfter: TimeInterval
    private var attemptedAt = Date.distantPast
    private var failure = "they have not been fetched yet"
    private var unknown: [String: Date] = [:]

    init(policy: Policy = Policy()) {
        self.policy = policy
        refreshAfter = policy.refreshAfter
    }

    /// - Parameters:
    ///   - isRefreshing: a refresh is under way, which the caller may join.
    ///   - mayWait: false when the caller has just waited for a refresh.
    mutating func decide(_ keyID: String, now: Date, isRefreshing: Bool = false, mayWait: Bool = true) -> Decision {
        // A clock that was set back must not stretch any of these.
        let age = elapsed(since: fetchedAt, now)
        guard let keys, age < policy.usableFor else {
            let isDue = elapsed(since: attemptedAt, now) >= policy.retryAfterFailure
            return mayWait && (isDue || isRefreshing) ? .refresh : .refuse(.keysUnavailable(failure))
        }
        let mayRefresh = elapsed(since: attemptedAt, now) >= policy.cooldown
        if let key = keys[keyID] {
            return age >= refreshAfter && mayRefresh ? .useAndRefresh(key) : .use(key)
        }
        if let seen = unknown[keyID], elapsed(since: seen, now) < policy.rememberUnknownFor { return .refuse(.unknownKey) }
        if mayWait && (mayRefresh || isRefreshing) { return .refresh }
        // A refresh that failed says nothing about the key id.
        if !mayWait && fetchedAt >= attemptedAt { remember(unknown: keyID, now) }
        return .refuse(.unknownKey)
    }

    var rememberedUnknown: Int { unknown.count }

    mutating func attempts(at now: Date) { attemptedAt = now }

    mutating func fetched(_ keys: KeySet, maximumAge: Int?, at now: Date) {
        self.keys = keys
        fetchedAt = now
        refreshAfter = min(max(maximumAge.map(TimeInterval.init) ?? policy.refreshAfter, policy.minimumRefresh), policy.refreshAfter)
        unknown = [:]
    }

    mutating func failed(_ why: String) { failure = why }

    private mutating func remember(unknown keyID: String, _ now: Date) {
        if unknown.count >= policy.maximumUnknown { unknown = [:] }
        unknown[keyID] = now
    }

    private func elapsed(since date: Date, _ now: Date) -> TimeInterval {
        let seconds = now.timeIntervalSince(date)
        return seconds < 0 ? .infinity : seconds
    }
}
