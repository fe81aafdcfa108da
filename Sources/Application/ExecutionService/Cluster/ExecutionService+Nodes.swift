// SPDX-License-Identifier: Apache-2.0

import Storage
package import WorkflowModel

extension ExecutionService {
    /// The cluster's nodes as its engine tells them now, in the order of their names.
    package func nodes(page: PageRequest) async throws(Problem) -> Page<NodeStatus> {
        let nodes: [ClusterNode]
        do { nodes = try await supervisor.nodes() } catch {
            throw Problem(.unavailable, "The cluster does not tell its nodes at the moment: \(error).")
        }
        let active = try await stored { try await storage.activeAttempts() }
        var ranks: [String: Int] = [:]
        for share in active.flatMap({ $0.nodes ?? [] }) { ranks[share.node, default: 0] += share.ranks }
        // A name is its own cursor: nodes that come and go between two pages move nothing else.
        let rest = nodes.sorted { $0.name < $1.name }.filter { node in page.cursor.map { node.name > $0 } ?? true }
        let shown = rest.prefix(page.size).map { NodeStatus(node: $0, ranks: ranks[$0.name] ?? 0) }
        return Page(items: shown, next: rest.count > shown.count ? shown.last?.node.name : nil)
    }
}
