// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// A run in the queue.
package struct WaitingRun: Sendable, Equatable {
    package var id: RunID
    package var request: ResourceRequest
    /// Nodes that failed under earlier attempts.
    package var avoided: Set<String>

    package init(id: RunID, request: ResourceRequest, avoided: Set<String> = []) {
        self.id = id
        self.request = request
        self.avoided = avoided
    }
}

/// What the scheduler says about one waiting run.
package enum Decision: Sendable, Equatable {
    /// `nil`: the engine chooses the nodes.
    case start(RunID, [NodeShare]?)
    case wait(RunID, Pending)
}

/// Runs start in the order of their submission; one that does not fit holds back all behind it, unless it could not start
/// even on the empty cluster.
package enum FirstComeFirstServed {
    /// - Parameters:
    ///   - queue: oldest first.
    ///   - rooms: the nodes, less what the runs that have started hold.
    /// - Returns: a decision for each run of the queue, in its order.
    package static func decide(queue: [WaitingRun], rooms: [NodeRoom]) -> [Decision] {
        var rooms = rooms
        let empty = rooms.map { NodeRoom($0.node.whenUp) }
        // What a node that was never seen will have nobody knows.
        let hasUnknown = rooms.contains { $0.node.isUnknown }
        var excesses: [ResourceRequest: Placement.Shortage?] = [:]
        func excess(_ request: ResourceRequest) -> Placement.Shortage? {
            if hasUnknown { return nil }
            if let known = excesses[request] { return known }
            let found: Placement.Shortage? =
                if case .lacking(let shortage) = Placement.find(for: request, on: empty) { shortage } else { nil }
            excesses[request] = found
            return found
        }
        var head: RunID?
        var position = 0
        return queue.map { run in
            var pending = Pending(reason: "", position: nil)
            if let head {
                pending.reason = "waits behind \(head): runs start in the order of submission"
            } else {
                switch Placement.find(for: run.request, on: rooms, avoiding: run.avoided) {
                case .placed(let shares):
                    for share in shares {
                        for index in rooms.indices where rooms[index].node.name == share.node {
                            rooms[index].take(ranks: share.ranks, memoryPerRank: run.request.memoryPerRank)
                        }
                    }
                    return .start(run.id, shares)
                case .lacking(let shortage): pending.reason = shortage.description
                }
            }
            position += 1
            pending.position = position
            if let excess = excess(run.request) {
                pending.reason = "can never start: " + excess.sentence(true)
            } else {
                head = head ?? run.id
            }
            return .wait(run.id, pending)
        }
    }

    /// Where the engine places the ranks, and only so many jobs are given to it at a time.
    package static func decide(queue: [WaitingRun], jobs: Int, maximumJobs: Int) -> [Decision] {
        let free = max(0, maximumJobs - jobs)
        return queue.enumerated().map { index, run in
            guard index >= free else { return .start(run.id, nil) }
            let reason = "\(maximumJobs) runs are with the cluster's own scheduler, as many as this server gives it at a time"
            return .wait(run.id, Pending(reason: reason, position: index - free + 1))
        }
    }

    /// - Throws: `Problem` when the run could not start even on the empty cluster.
    package static func checkFits(_ request: ResourceRequest, nodes: [ClusterNode]) throws(Problem) {
        guard !nodes.contains(where: \.isUnknown),
            case .lacking(let shortage) = Placement.find(for: request, on: nodes.map { NodeRoom($0.whenUp) })
        else { return }
        let error: Problem.FieldError =
            switch shortage {
            case .noSuchNode(let labels, _, _):
                .init(labels.isEmpty ? "/needs/architecture" : "/needs/labels", shortage.sentence(true))
            case .slots: .init("/ranks", shortage.sentence(true) + "; ask for fewer ranks or raise the slots in the configuration")
            case .memory:
                .init(
                    "/memory_per_rank",
                    "\(request.ranks) × \(request.memoryPerRank) MiB: \(shortage.sentence(true)); ask for less or raise the memory in the configuration"
                )
            case .scattered(_, _, let nodes):
                .init(nodes == nil ? "/memory_per_rank" : "/needs/nodes", shortage.sentence(true))
            }
        throw Problem(.invalid, "The run can never start here.", errors: [error])
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
