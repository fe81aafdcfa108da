// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// How many instances a PE may have, and why, in a sentence.
struct Replication {
    enum Instances: Equatable {
        case one
        case exactly(Int)
        /// More instances give the same results, as a multiset.
        case any
    }

    var instances: Instances
    var reason: String

    /// - Parameters:
    ///   - groupings: of the inputs that edges lead to; empty for a source.
    ///   - cost: what the PE was seen to cost.
    ///   - isMeasured: whether costs are given at all; without them nothing is known of the PE's state.
    init(of element: ProcessElement, groupings: [Grouping], cost: ElementCost?, isMeasured: Bool) {
        let id = element.id
        (instances, reason) =
            if groupings.isEmpty {
                (.one, "\(id) is a source: one instance reads the input")
            } else if element.single {
                (.one, "\(id) has one instance: it is declared single")
            } else if element.processes > 1 {
                (.exactly(element.processes), "\(id) has \(element.processes) instances: its numprocesses says so")
            } else if !isMeasured {
                (.one, "\(id) has one instance: it declares no numprocesses" + Self.doubt(element))
            } else if groupings.contains(.global) {
                (.one, "\(id) has one instance: all its data go to the first, by the grouping global")
            } else if groupings.contains(.all) {
                (.one, "\(id) has one instance: each would get all data, by the grouping all")
            } else if groupings.allSatisfy(\.isByKey) {
                (.any, "\(id) may have several instances: its inputs are grouped by key, and all data of a key meet in one")
            } else {
                Self.byState(element, cost)
            }
    }

    private static func byState(_ element: ProcessElement, _ cost: ElementCost?) -> (Instances, String) {
        let id = element.id
        switch element.stateful {
        case true?: return (.one, "\(id) has one instance: it declares stateful = True")
        case false?: return (.any, "\(id) may have several instances: it declares stateful = False")
        case nil:
            if let native = element.native {
                return (.one, "\(id) has one instance: the native operation \(native.operation) may keep state")
            }
            guard let cost else { return (.one, "\(id) has one instance: the costs say nothing of it") }
            guard cost.stateful else { return (.any, "\(id) may have several instances: its calls were seen to change nothing in it") }
            let changed = cost.changed.map { " " + $0.joined(separator: ", ") } ?? " its attributes"
            return (
                .one,
                "\(id) has one instance: its calls change\(changed), which it does not declare. "
                    + "If later calls do not depend on that, declare stateful = False; for several instances all the same, numprocesses"
            )
        }
    }

    private static func doubt(_ element: ProcessElement) -> String {
        element.stateful == false ? "; with measured costs it could have more, since it keeps no state" : ", and may keep state"
    }
}

extension Grouping {
    var isByKey: Bool { if case .byKey = self { true } else { false } }
}
