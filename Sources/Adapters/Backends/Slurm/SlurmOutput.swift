// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// Reads what `srun` and Slurm's daemons print into a job's output when ranks end badly.
struct SlurmOutput {
    var text: String
    /// Else they are Open MPI's daemons.
    var tasksAreRanks: Bool

    init(_ text: String, tasksAreRanks: Bool = true) {
        self.text = text
        self.tasksAreRanks = tasksAreRanks
    }

    /// `srun: error: n3: task 2: Killed`, `srun: error: n1: tasks 0-1: Exited with exit code 7`
    private var lostTask: (node: String, rank: Int, how: String)? {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":").map { String($0.trimmingPrefix(while: \.isWhitespace)) }
            guard parts.count >= 5, parts[0] == "srun", parts[1] == "error", parts[3].hasPrefix("task"),
                let rank = parts[3].split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) })
            else { continue }
            return (parts[2], rank, parts[4])
        }
        return nil
    }

    func explain(_ end: LaunchEnd, plan: Plan, graph: WorkflowGraph) -> FailureReport {
        let mpirun = MPIRunOutput(text).explain(end, plan: plan, graph: graph, node: end.nodes.count == 1 ? end.nodes[0] : nil)
        guard tasksAreRanks, case .exited = end.cause, mpirun.cause == .launcher, let lost = lostTask,
            plan.workers.contains(where: { $0.rank == lost.rank })
        else { return mpirun }
        let elements = plan.workers(onRank: lost.rank).flatMap { plan.stages[plan.workers[$0].stage].elements }.map {
            graph.elements[$0].id
        }
        return FailureReport(
            cause: .rank, message: "Rank \(lost.rank) on \(lost.node), which ran \(elements.joined(separator: ", ")), ended: \(lost.how).",
            at: end.at ?? Date(), rank: lost.rank, node: lost.node, element: elements.first, exitStatus: mpirun.exitStatus,
            traceback: mpirun.traceback)
    }
}
