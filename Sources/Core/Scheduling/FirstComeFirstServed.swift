// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// What a cluster can hold, or what is in use of it.
package struct Capacity: Sendable, Equatable {
    /// Ranks at the same time.
    package var slots: Int
    /// MiB.
    package var memory: Int

    package init(slots: Int, memory: Int) {
        self.slots = slots
        self.memory = memory
    }

    package init(_ request: ResourceRequest) {
        self.init(slots: request.ranks, memory: request.ranks * request.memoryPerRank)
    }

    package static func + (a: Capacity, b: Capacity) -> Capacity { .init(slots: a.slots + b.slots, memory: a.memory + b.memory) }
    package static func - (a: Capacity, b: Capacity) -> Capacity { .init(slots: a.slots - b.slots, memory: a.memory - b.memory) }

    package func holds(_ other: Capacity) -> Bool { other.slots <= slots && other.memory <= memory }
}

/// A run in the queue.
package struct WaitingRun: Sendable, Equatable {
    package var id: RunID
    package var request: ResourceRequest

    package init(id: RunID, request: ResourceRequest) {
        self.id = id
        self.request = request
    }
}

/// What the scheduler says about one waiting run.
package enum Decision: Sendable, Equatable {
    case start(RunID)
    case wait(RunID, Pending)
}

/// Runs start in the order of their submission; one that does not fit holds back all behind it, unless it could not start
/// even on the empty cluster.
package enum FirstComeFirstServed {
    /// - Parameters:
    ///   - queue: oldest first.
    ///   - used: what the runs that have started hold.
    /// - Returns: a decision for each run of the queue, in its order.
    package static func decide(queue: [WaitingRun], capacity: Capacity, used: Capacity) -> [Decision] {
        var free = capacity - used
        var head: RunID?
        var position = 0
        return queue.map { run in
            let need = Capacity(run.request)
            if head == nil, free.holds(need) {
                free = free - need
                return .start(run.id)
            }
            position += 1
            guard capacity.holds(need) else {
                return .wait(run.id, Pending(reason: "can never start: " + excess(need: need, capacity: capacity), position: position))
            }
            defer { head = head ?? run.id }
            let reason = head.map { "waits behind \($0): runs start in the order of submission" } ?? shortage(need: need, free: free)
            return .wait(run.id, Pending(reason: reason, position: position))
        }
    }

    /// - Throws: `Problem` when the run could not start even on the empty cluster.
    package static func checkFits(_ request: ResourceRequest, capacity: Capacity) throws(Problem) {
        let need = Capacity(request)
        var errors: [Problem.FieldError] = []
        if need.slots > capacity.slots {
            errors.append(
                .init("/ranks", "needs \(need.slots) slots, the host declares \(capacity.slots); ask for fewer ranks or raise local.slots"))
        }
        if need.memory > capacity.memory {
            errors.append(
                .init(
                    "/memory_per_rank",
                    "needs \(need.slots) × \(request.memoryPerRank) MiB, the host declares \(capacity.memory) MiB; "
                        + "ask for less or raise local.memory_mb"))
        }
        guard errors.isEmpty else { throw Problem(.invalid, "The run can never start here.", errors: errors) }
    }

    private static func excess(need: Capacity, capacity: Capacity) -> String {
        var parts: [String] = []
        if need.slots > capacity.slots { parts.append("needs \(need.slots) slots, the host declares \(capacity.slots)") }
        if need.memory > capacity.memory { parts.append("needs \(need.memory) MiB of memory, the host declares \(capacity.memory) MiB") }
        return parts.joined(separator: "; ")
    }

    private static func shortage(need: Capacity, free: Capacity) -> String {
        var parts: [String] = []
        if need.slots > free.slots { parts.append("needs \(need.slots) slots, \(max(0, free.slots)) are free") }
        if need.memory > free.memory { parts.append("needs \(need.memory) MiB of memory, \(max(0, free.memory)) MiB are free") }
        return parts.joined(separator: "; ")
    }
}
