// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// What holds for every question about what has run.
package enum HistoryRules {
    /// Years that are written with four digits, since 1970.
    package static let times = Date(timeIntervalSince1970: 0)...Date(timeIntervalSince1970: 253_402_300_799)
}

/// An attempt that held nodes and has ended, however it ended, as `GET /api/v1/history` shows it.
package struct HistoryEntry: Sendable, Codable, Hashable {
    package var run: RunID
    package var attempt: Int
    package var owner: String
    /// With its version.
    package var graph: Reference
    package var resources: ResourceRequest
    package var state: RunState
    package var queuedAt: Date
    /// From then on it held its nodes.
    package var startedAt: Date
    package var endedAt: Date
    /// Where its ranks ran, in their order; absent where that is not known.
    package var nodes: [NodeShare]?

    package init(
        run: RunID, attempt: Int, owner: String, graph: Reference, resources: ResourceRequest, state: RunState, queuedAt: Date,
        startedAt: Date, endedAt: Date, nodes: [NodeShare]? = nil
    ) {
        self.run = run
        self.attempt = attempt
        self.owner = owner
        self.graph = graph
        self.resources = resources
        self.state = state
        self.queuedAt = queuedAt
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.nodes = nodes
    }

    private enum CodingKeys: String, CodingKey {
        case run, attempt, owner, graph, resources, state, nodes
        case queuedAt = "queued_at"
        case startedAt = "started_at"
        case endedAt = "ended_at"
    }
}
