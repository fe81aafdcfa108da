// SPDX-License-Identifier: Apache-2.0

/// What a PE instance has done so far, in numbers. Times are nanoseconds.
package struct InstanceProfile: Sendable, Equatable {
    package var calls: Int64
    package var itemsIn: Int64
    package var itemsOut: Int64
    package var bytesOut: Int64
    /// Estimated from the sampled calls.
    package var busy: Int64
    /// Waiting for room downstream.
    package var blocked: Int64
    /// Calls whose time was taken.
    package var sampled: Int64
    package var p50: Int64?
    package var p95: Int64?
    package var skipped: Int64
    package var retried: Int64
    /// Attributes that calls of `process` have changed; `nil` where the instance declares its state.
    package var changed: [String]?

    package init(
        calls: Int64 = 0, itemsIn: Int64 = 0, itemsOut: Int64 = 0, bytesOut: Int64 = 0, busy: Int64 = 0, blocked: Int64 = 0,
        sampled: Int64 = 0, p50: Int64? = nil, p95: Int64? = nil, skipped: Int64 = 0, retried: Int64 = 0, changed: [String]? = nil
    ) {
        self.calls = calls
        self.itemsIn = itemsIn
        self.itemsOut = itemsOut
        self.bytesOut = bytesOut
        self.busy = busy
        self.blocked = blocked
        self.sampled = sampled
        self.p50 = p50
        self.p95 = p95
        self.skipped = skipped
        self.retried = retried
        self.changed = changed
    }
}

extension InstanceProfile: Codable {
    private enum CodingKeys: String, CodingKey {
        case calls, sampled, skipped, retried, changed
        case itemsIn = "items_in"
        case itemsOut = "items_out"
        case bytesOut = "bytes_out"
        case busy = "busy_ns"
        case blocked = "blocked_ns"
        case p50 = "p50_ns"
        case p95 = "p95_ns"
    }

    /// A number that is absent is 0; one with a fraction is rounded.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func number(_ key: CodingKeys) throws -> Int64? {
            if let whole = try? container.decodeIfPresent(Int64.self, forKey: key) { return whole }
            return try container.decodeIfPresent(Double.self, forKey: key).map { Int64(exactly: $0.rounded()) ?? ($0 < 0 ? .min : .max) }
        }
        self.init(
            calls: try number(.calls) ?? 0, itemsIn: try number(.itemsIn) ?? 0, itemsOut: try number(.itemsOut) ?? 0,
            bytesOut: try number(.bytesOut) ?? 0, busy: try number(.busy) ?? 0, blocked: try number(.blocked) ?? 0,
            sampled: try number(.sampled) ?? 0, p50: try number(.p50), p95: try number(.p95), skipped: try number(.skipped) ?? 0,
            retried: try number(.retried) ?? 0, changed: try container.decodeIfPresent([String].self, forKey: .changed))
    }
}
