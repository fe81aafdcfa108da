// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import WorkflowModel

/// What ran on a cluster, as jobs for a simulation, with the starts that they truly had. Seconds count from the first submission.
package struct RecordedWorkload: Sendable {
    /// Attempts that the simulated machine could never start.
    package struct LeftOut: Sendable, Codable, Hashable {
        /// Those with more ranks than it has slots.
        package var tooLarge = 0
        /// Those whose ranks would find no nodes with what they need, though there are slots enough.
        package var neverFits = 0

        package var count: Int { tooLarge + neverFits }

        private enum CodingKeys: String, CodingKey {
            case tooLarge = "too_large"
            case neverFits = "never_fits"
        }
    }

    package private(set) var workload: Workload
    /// When each job started, by the workload's order.
    package private(set) var starts: [Int]
    /// How each ended.
    package private(set) var states: [RunState]
    package private(set) var leftOut = LeftOut()
    /// Seconds since 1970 of the first submission.
    package private(set) var origin: Int

    /// - Parameter machine: that the jobs are simulated on.
    package init(_ history: [HistoryEntry], for machine: Machine) {
        var machine = machine
        let slots = machine.nodes.reduce(0) { $0 + max(0, $1.slots) }
        var (users, graphs, requests) = (Numbering<String>(), Numbering<Reference>(), Numbering<ResourceRequest>())
        var entries: [(entry: Workload.Entry, start: Int, state: RunState)] = []
        for (name, past) in history.sorted(by: { $0.queuedAt < $1.queuedAt }).enumerated() {
            let ranks = past.resources.ranks
            guard ranks <= slots else {
                leftOut.tooLarge += 1
                continue
            }
            guard !machine.isTooLarge(ranks, machine.demand(of: past.resources)) else {
                leftOut.neverFits += 1
                continue
            }
            let queued = Int(past.queuedAt.timeIntervalSince1970)
            // Of whole seconds both: cut off by itself, each run time would be half a second too short.
            let started = Int(past.startedAt.timeIntervalSince1970)
            let runTime = max(1, Int(past.endedAt.timeIntervalSince1970) - started)
            let limit = PlannedLimit.longest(past.resources.needs.timeLimit)
            var entry = Workload.Entry(
                name: name + 1, submitted: queued, runTime: runTime,
                traits: JobTraits(
                    user: users[past.owner], application: graphs[past.graph], ranks: ranks, limit: max(limit, runTime)),
                memoryPerRank: past.resources.memoryPerRank)
            entry.request = requests[past.resources] - 1
            entry.isLimitAssumed = past.resources.needs.timeLimit == nil
            entries.append((entry, max(queued, started), past.state))
        }
        let origin = entries.first?.entry.submitted ?? 0
        for index in entries.indices { entries[index].entry.submitted -= origin }
        self.origin = origin
        workload = Workload(entries.map(\.entry), requests: requests.values)
        starts = entries.map { $0.start - origin }
        states = entries.map(\.state)
    }

    /// What came of the jobs, as if their run times had been known.
    package var outcomes: [Simulation.Outcome] {
        zip(workload.entries, starts).map { entry, start in
            Simulation.Outcome(started: start, prediction: RunTimePrediction(entry.runTime, limit: entry.runTime))
        }
    }
}

/// Numbers from 1, in the order of the first appearance.
private struct Numbering<Value: Hashable> {
    private(set) var values: [Value] = []
    private var numbers: [Value: Int] = [:]

    subscript(value: Value) -> Int {
        mutating get {
            if let number = numbers[value] { return number }
            values.append(value)
            numbers[value] = values.count
            return values.count
        }
    }
}
