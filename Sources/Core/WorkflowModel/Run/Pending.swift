// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// Why a run waits, and until when.
package struct Pending: Sendable, Codable, Hashable {
    package var reason: String
    /// Place in the queue, from 1; absent where the queue is not Weft's.
    package var position: Int?
    /// It starts then at the latest: what the scheduler promised it.
    package var promisedStart: Date?
    /// As likely before as after.
    package var expectedStart: Date?
    /// In nineteen of twenty cases it starts before.
    package var latestStart: Date?

    package init(
        reason: String, position: Int?, promisedStart: Date? = nil, expectedStart: Date? = nil, latestStart: Date? = nil
    ) {
        self.reason = reason
        self.position = position
        self.promisedStart = promisedStart
        self.expectedStart = expectedStart
        self.latestStart = latestStart
    }

    private enum CodingKeys: String, CodingKey {
        case reason, position
        case promisedStart = "promised_start"
        case expectedStart = "expected_start"
        case latestStart = "latest_start"
    }
}

extension Pending {
    /// What a reason comes to, without the accounts, runs, paths and hosts that it may name: what others than the owner are told.
    package enum Kind: String, Sendable, CaseIterable {
        case neverStarts = "can never start"
        case held = "held by a quota"
        case behind = "waits behind others"
        case engine = "waits for the cluster's engine"
        case room = "no room for it yet"

        /// - Parameter isStarting: it has been given to the engine, whose words the reason has.
        package init(of reason: String, isStarting: Bool = false) {
            self =
                if isStarting || reason.contains("the cluster's own scheduler") {
                    .engine
                } else if reason.hasPrefix("can never start") {
                    .neverStarts
                } else if reason.hasPrefix("its account") {
                    .held
                } else if reason.hasPrefix("waits behind") || reason.hasPrefix("would delay") {
                    .behind
                } else {
                    .room
                }
        }
    }
}
