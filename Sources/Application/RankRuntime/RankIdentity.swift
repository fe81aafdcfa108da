// SPDX-License-Identifier: Apache-2.0

import Glibc
import WorkflowModel

/// What names a rank in reports and logs.
struct RankIdentity {
    let rank: Int
    let node: String

    init(rank: Int) {
        self.rank = rank
        node = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let start = buffer.baseAddress, gethostname(start, buffer.count - 1) == 0 else { return "unknown" }
            buffer[buffer.count - 1] = 0
            return String(cString: start)
        }
    }

    var place: String { "rank \(rank) on \(node)" }
}

extension RunDocument {
    /// Ids of the PEs that the worker hosts, and their instances.
    func elements(ofWorker worker: Int) -> [(id: String, instance: Int)] {
        let place = plan.workers[worker]
        return plan.stages[place.stage].elements.map { (graph.elements[$0].id, plan.firstInstances[$0] + place.replica) }
    }

    /// `worker 3 (Split1, Count2)`
    func describe(worker: Int) -> String {
        "worker \(worker) (\(elements(ofWorker: worker).map(\.id).joined(separator: ", ")))"
    }

    /// `Split1[0]` for an instance, else the worker.
    func speaker(worker: Int, instance: Int?) -> String {
        guard let instance, let (element, replica) = plan.element(ofInstance: instance) else { return describe(worker: worker) }
        return "\(graph.elements[element].id)[\(replica)]"
    }
}
