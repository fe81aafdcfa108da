// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// A change of the number of nodes that keeps the 95th percentile of the waits under a target.
package struct Advice: Sendable, Codable, Hashable {
    /// To add, or that may be drained.
    package var nodes: Int
    /// With them added or drained.
    package var figures: WhatIf.Figures
}

extension WhatIf {
    /// The fewest nodes to add so that the waits' p95, over all futures, is at most `target`. It is taken for granted that more nodes never
    /// make waits longer, as they do in the mean.
    /// - Returns: `nil`: so many nodes are not enough.
    package func fewestToAdd(like node: ClusterNode, from time: Int, atMost most: Int, p95 target: Int) -> Advice? {
        fewest(upTo: most, p95: target) { $0 == 0 ? [] : [.add($0, like: node, from: time)] }
    }

    /// How many of the nodes, in their order, may be drained so that the waits' p95 stays at most `target`.
    /// - Returns: `nil`: it is longer even with all of them.
    package func mostToDrain(_ nodes: [Int], by time: Int, p95 target: Int) -> Advice? {
        fewest(upTo: nodes.count, p95: target) { kept in
            kept == nodes.count ? [] : [.drain(Array(nodes.prefix(nodes.count - kept)), by: time)]
        }.map { Advice(nodes: nodes.count - $0.nodes, figures: $0.figures) }
    }

    /// By bisection.
    private func fewest(upTo most: Int, p95 target: Int, _ changes: (Int) -> [ClusterChange]) -> Advice? {
        func advice(_ nodes: Int) -> Advice? {
            let figures = answer(changes(nodes)).all
            return figures.p95Wait <= target ? Advice(nodes: nodes, figures: figures) : nil
        }
        guard var best = advice(most) else { return nil }
        var low = 0
        while low < best.nodes {
            let middle = (low + best.nodes) / 2
            if let better = advice(middle) { best = better } else { low = middle + 1 }
        }
        return best
    }
}

extension Scheduler {
    /// The nodes that offer the same as one and are up, in the order in which they may be drained: those that are empty first, then those that will be
    /// soonest, by limits.
    package func nodesToDrain(like node: ClusterNode) -> [Int] {
        var ends: [Int: Int] = [:]
        for job in runningJobs { for node in job.shares.flatMap(\.nodes) { ends[node] = max(ends[node] ?? 0, job.latestEnd) } }
        return machine.nodes.indices.filter {
            machine.isUp($0) && machine.nodes[$0].nodeClass == node.nodeClass && machine.nodes[$0].slots == node.slots
        }
        .sorted { (ends[$0] ?? .min, -$0) < (ends[$1] ?? .min, -$1) }
    }
}
