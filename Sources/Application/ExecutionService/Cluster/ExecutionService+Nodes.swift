// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import Logging
import Storage
package import WorkflowModel

extension ExecutionService {
    /// The cluster's nodes as its engine tells them now, with what operators ordered, in the order of their names.
    package func nodes(page: PageRequest) async throws(Problem) -> Page<NodeStatus> {
        let nodes = try await clusterNodes()
        let (active, given) = try await stored { (try await storage.activeAttempts(), try await storage.orders().nodes) }
        var ranks: [String: Int] = [:]
        for share in active.flatMap({ $0.nodes ?? [] }) { ranks[share.node, default: 0] += share.ranks }
        let orders = Dictionary(given.map { ($0.node, $0) }) { first, _ in first }
        return Page(nodes, page, name: \.name) { NodeStatus(node: $0, ranks: ranks[$0.name] ?? 0, order: orders[$0.name]) }
    }

    /// Nothing new starts on the node, or nothing that may still run at a time. It takes the place of an order that the node has.
    package func order(_ request: NodeOrderRequest, node: String, by principal: Principal) async throws(Problem) -> NodeOrder {
        try checkPlacing("orders for nodes")
        let now = Date()
        let faults = request.faults(now: now)
        guard faults.isEmpty else { throw Problem(.invalid, "The order cannot be given.", errors: faults) }
        guard try await clusterNodes().contains(where: { $0.name == node }) else {
            throw Problem(.notFound, "The cluster has no node '\(node)': see GET /api/v1/nodes, or `weft node list`.")
        }
        let order = NodeOrder(
            node: node, kind: request.kind, by: request.by, reason: request.reason, owner: principal.label, givenAt: now)
        try await stored { try await storage.setOrder(order, by: principal) }
        ordersChanged("node order given", by: principal, ["node": node, "kind": order.kind.rawValue])
        return order
    }

    /// The node may be gone from the cluster; its order can be taken back all the same.
    package func removeOrder(node: String, by principal: Principal) async throws(Problem) {
        guard try await stored({ try await storage.removeOrder(ofNode: node) }) else {
            throw Problem(.notFound, "There is no order for a node '\(node)'; `weft node list` shows those that there are.")
        }
        ordersChanged("node order taken back", by: principal, ["node": node])
    }

    func clusterNodes() async throws(Problem) -> [ClusterNode] {
        do { return try await supervisor.nodes() } catch {
            throw Problem(.unavailable, "The cluster does not tell its nodes at the moment: \(error).")
        }
    }

    /// An order that nobody follows is refused.
    func checkPlacing(_ what: String) throws(Problem) {
        guard placing == .weft else {
            throw Problem(
                .conflict, "The cluster's own engine places runs here and does not look at \(what) of Weft's: give them to the engine.")
        }
    }

    /// - Parameter details: for the log.
    func ordersChanged(_ what: String, by principal: Principal, _ details: [String: String]) {
        supervisor.nudge()
        var metadata = details.mapValues { Logger.MetadataValue.string($0) }
        metadata["principal"] = "\(principal.label)"
        logger.info("\(what)", metadata: metadata)
    }
}

extension Page {
    /// A page of a list that is read whole. A name is its own cursor: what comes and goes between two pages moves nothing else.
    init<Whole>(_ all: [Whole], _ page: PageRequest, name: (Whole) -> String, item: (Whole) -> Item) {
        let rest = all.sorted { name($0) < name($1) }.filter { entry in page.cursor.map { name(entry) > $0 } ?? true }
        let shown = rest.prefix(page.size)
        self.init(items: shown.map(item), next: rest.count > shown.count ? shown.last.map(name) : nil)
    }
}
