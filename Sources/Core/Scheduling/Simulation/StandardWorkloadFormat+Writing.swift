// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

extension StandardWorkloadFormat {
    /// What ran on a cluster, by numbers alone: neither users nor graphs are named.
    /// - Parameters:
    ///   - nodes: of the cluster, and the slots of all of them.
    package static func write(_ history: RecordedWorkload, nodes: Int, slots: Int) -> [UInt8] {
        let entries = history.workload.entries
        var text = """
            ; Version: 2.2
            ; Computer: Weft
            ; MaxJobs: \(entries.count)
            ; MaxRecords: \(entries.count)
            ; UnixStartTime: \(history.origin)
            ; MaxNodes: \(nodes)
            ; MaxProcs: \(slots)
            ; Note: A job is an attempt of a run. A job without a time limit has the one that was assumed for it.

            """
        for ((entry, start), state) in zip(zip(entries, history.starts), history.states) {
            let traits = entry.traits
            let memory = entry.memoryPerRank > 0 ? entry.memoryPerRank * 1024 : -1
            let fields = [
                entry.name, entry.submitted, start - entry.submitted, entry.runTime, traits.ranks, -1, -1, traits.ranks, traits.limit,
                memory,
                status(state), traits.user, -1, traits.application, -1, -1, -1, -1,
            ]
            text += fields.map(String.init).joined(separator: " ") + "\n"
        }
        return Array(text.utf8)
    }

    private static func status(_ state: RunState) -> Int {
        switch state {
        case .succeeded: 1
        case .failed: 0
        case .cancelled: 5
        case .submitted, .queued, .starting, .running, .cancelling: -1
        }
    }
}
