// SPDX-License-Identifier: Apache-2.0

import Foundation
import Storage
package import WorkflowModel

extension ExecutionService {
    /// By name; among them those that are over, until they are removed or 30 days have passed.
    package func windows(page: PageRequest) async throws(Problem) -> Page<ClusterWindow> {
        Page(try await stored { try await storage.orders().windows }, page, name: \.name) { $0 }
    }

    package func window(_ name: String) async throws(Problem) -> ClusterWindow {
        guard let window = try await stored({ try await storage.orders().windows }).first(where: { $0.name == name }) else {
            throw Self.noWindow(name)
        }
        return window
    }

    /// Maintenance may be laid over anything, also over reservations; a reservation only where there is no other window.
    package func addWindow(_ request: WindowRequest, by principal: Principal) async throws(Problem) -> ClusterWindow {
        try checkPlacing("windows")
        let now = Date()
        let known = Set(try await clusterNodes().map(\.name))
        let faults = request.faults(now: now, nodes: known)
        guard faults.isEmpty else { throw Problem(.invalid, "The window cannot be given.", errors: faults) }
        let window = ClusterWindow(
            name: request.name, kind: request.kind, nodes: Set(request.nodes ?? []).sorted(), start: request.start, end: request.end,
            users: Set(request.users ?? []).sorted(), reason: request.reason, owner: principal.label)
        switch try await stored({ try await storage.addWindow(window, by: principal, at: now) }) {
        case .added(let stored):
            ordersChanged("window added", by: principal, ["window": stored.name, "kind": stored.kind.rawValue])
            return stored
        case .nameTaken:
            throw Problem(
                .conflict, "There is a window '\(window.name)' already; remove it first, or take another name.",
                errors: [.init("/name", "is taken")])
        case .overlaps(let other):
            throw Problem(
                .conflict,
                "The \(other.kind.rawValue) '\(other.name)' has some of these nodes from \(WireJSON.format(other.start)) to "
                    + "\(WireJSON.format(other.end)); reserve other nodes or another time.",
                errors: [.init("/nodes", "are partly those of '\(other.name)' at the same time")])
        case .tooMany:
            throw Problem(.conflict, "There are \(Storage.maximumOrders) windows, which is the most; remove some first.")
        }
    }

    package func removeWindow(_ name: String, by principal: Principal) async throws(Problem) {
        guard try await stored({ try await storage.removeWindow(name) }) else { throw Self.noWindow(name) }
        ordersChanged("window removed", by: principal, ["window": name])
    }

    private static func noWindow(_ name: String) -> Problem {
        Problem(.notFound, "There is no window '\(name)': see GET /api/v1/windows, or `weft maintenance list` and `weft reserve list`.")
    }
}
