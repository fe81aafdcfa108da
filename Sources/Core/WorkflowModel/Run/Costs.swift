// SPDX-License-Identifier: Apache-2.0

/// What the PEs of a graph were seen to cost: written by `weft try --profile`, read by the planner. JSON.
package struct Costs: Sendable, Codable, Hashable {
    package static let formatVersion = 1

    package var format: Int
    /// By PE id.
    package var elements: [String: ElementCost]

    package init(elements: [String: ElementCost]) {
        format = Self.formatVersion
        self.elements = elements
    }
}

/// What one PE cost, over all its instances.
package struct ElementCost: Sendable, Codable, Hashable {
    package var calls: Int
    /// Data written, over all outputs.
    package var itemsOut: Int
    /// Mean time of one call, its waiting for others not counted.
    package var secondsPerCall: Double
    /// Calls changed attributes of the instance that its author did not declare, so that another instance would see another
    /// state.
    package var stateful: Bool
    /// These attributes.
    package var changed: [String]?

    package init(calls: Int, itemsOut: Int, secondsPerCall: Double, stateful: Bool, changed: [String]? = nil) {
        self.calls = calls
        self.itemsOut = itemsOut
        self.secondsPerCall = secondsPerCall
        self.stateful = stateful
        self.changed = changed
    }

    private enum CodingKeys: String, CodingKey {
        case calls, stateful, changed
        case itemsOut = "items_out"
        case secondsPerCall = "seconds_per_call"
    }
}
