// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// What the launcher, Open MPI's or Slurm's, tells a process of its place before MPI has started. Nothing where another one started it.
struct LauncherPlace {
    private(set) var rank: Int?
    private(set) var size: Int?
    /// Among the ranks of the same node.
    private(set) var localRank: Int?
    private(set) var localSize: Int?

    init(environment: [String: String]) {
        rank = environment["OMPI_COMM_WORLD_RANK"].flatMap { Int($0) }
        size = environment["OMPI_COMM_WORLD_SIZE"].flatMap { Int($0) }
        localRank = environment["OMPI_COMM_WORLD_LOCAL_RANK"].flatMap { Int($0) }
        localSize = environment["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap { Int($0) }
        if rank == nil, let task = environment["SLURM_PROCID"].flatMap({ Int($0) }) {
            rank = task
            size = environment["SLURM_STEP_NUM_TASKS"].flatMap { Int($0) }
            localRank = environment["SLURM_LOCALID"].flatMap { Int($0) }
            localSize = environment["SLURM_STEP_TASKS_PER_NODE"].flatMap { tasks in
                environment["SLURM_NODEID"].flatMap { Int($0) }.flatMap { Self.tasks(ofNode: $0, in: tasks) }
            }
        }
    }

    /// - Parameter list: in Slurm's form, as `2(x3),1`.
    private static func tasks(ofNode node: Int, in list: String) -> Int? {
        var left = node
        for part in list.split(separator: ",") {
            let numbers = part.split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) }
            guard let tasks = numbers.first else { return nil }
            left -= numbers.count > 1 ? numbers[1] : 1
            if left < 0 { return tasks }
        }
        return nil
    }

    /// Whether a nursery pays: where several ranks, or several workers of this one, share the node.
    func sharesNode(_ document: RunDocument) -> Bool {
        let workers = document.pythonWorkers
        guard workers.count > 1 else { return false }
        if let localSize, localSize > 1 { return true }
        guard let rank = rank ?? (document.plan.ranks == 1 ? 0 : nil) else { return false }
        return workers.count { document.plan.workers[$0].rank == rank } > 1
    }

    /// The first of the node's ranks has what they share.
    var isFirst: Bool { localRank ?? 0 == 0 }
}

extension RunDocument {
    /// Whether the worker's PEs run inside the rank.
    func isNative(worker: Int) -> Bool {
        plan.stages[plan.workers[worker].stage].elements.first.map { graph.elements[$0].native != nil } ?? false
    }

    /// Numbers of the workers that are Python processes.
    var pythonWorkers: [Int] { plan.workers.indices.filter { !isNative(worker: $0) } }
}
