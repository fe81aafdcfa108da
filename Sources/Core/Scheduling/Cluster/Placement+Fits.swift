// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

extension Placement {
    /// - Throws: `Problem` when the run could not start even on the empty cluster.
    package static func checkFits(_ request: ResourceRequest, nodes: [ClusterNode]) throws(Problem) {
        guard !nodes.contains(where: \.isUnknown),
            case .lacking(let shortage) = Placement.find(for: request, on: nodes.map { NodeRoom($0.whenUp) })
        else { return }
        let error: Problem.FieldError =
            switch shortage {
            case .noSuchNode(let labels, _, _):
                .init(
                    labels.isEmpty
                        ? "/needs/architecture" : labels.isSubset(of: request.needs.labels ?? []) ? "/needs/labels" : "/needs/elements",
                    shortage.sentence(true) + "; 'weft node list' shows what there is")
            case .slots: .init("/ranks", shortage.sentence(true) + "; ask for fewer ranks or raise the slots in the configuration")
            case .memory:
                .init(
                    "/memory_per_rank",
                    "\(request.ranks) × \(request.memoryPerRank) MiB: \(shortage.sentence(true)); ask for less or raise the memory in the configuration"
                )
            case .scattered(_, _, let nodes):
                .init(
                    nodes == nil ? "/memory_per_rank" : "/needs/nodes",
                    shortage.sentence(true)
                        + "; ask for \(nodes == nil ? "less memory or fewer ranks" : "fewer ranks or another number of nodes")")
            }
        throw Problem(.invalid, "The run can never start here.", errors: [error])
    }

    /// On how many nodes the run would be if the cluster were empty; `nil`: it does not fit.
    package static func nodeCount(_ request: ResourceRequest, nodes: [ClusterNode]) -> Int? {
        guard case .placed(let shares) = Placement.find(for: request, on: nodes.map { NodeRoom($0.whenUp) }) else { return nil }
        return Set(shares.map(\.node)).count
    }
}

extension ClusterNode {
    fileprivate var isUnknown: Bool { state == .down && slots == 0 }

    /// A node that is down or drained will be back.
    fileprivate var whenUp: ClusterNode {
        var node = self
        node.state = .up
        return node
    }
}
