// SPDX-License-Identifier: Apache-2.0

/// Why a job waits.
package enum WaitReason: Sendable, Equatable {
    case held(Accounts.Hold)
    /// It would not fit even on empty nodes.
    case neverFits(Placement.Shortage?)
    /// The reservation that it asks for is over, too short, or unknown.
    case noReservation
    /// It comes first, and there is no room.
    case room(Placement.Shortage?, promised: Int?)
    /// There is room, but by its limit it might delay the first, or whoever was promised a start.
    case kept(for: Int)
    /// It comes behind others.
    case behind(job: Int)
}

extension Scheduler {
    /// The jobs that wait, in the order in which they would start, with their reasons.
    package mutating func reasons(limit: Int, at now: Int) -> [(job: Job, reason: WaitReason)] {
        var first: Int?
        return waiting(at: now).prefix(limit).map { job in
            if let hold = hold(job) { return (job, .held(hold)) }
            if isTooLarge(job) { return (job, .neverFits(machine.shortage(job.ranks, job.demand, whenEmpty: true, within: nil))) }
            if isWithoutReservation(job, at: now) { return (job, .noReservation) }
            guard let head = first else {
                first = job.id
                let shortage = machine.shortage(job.ranks, job.demand, whenEmpty: false, within: closed(to: job, at: now))
                return (job, .room(shortage, promised: promisedStart(of: job.id)))
            }
            return (job, machine.fit(job.demand, within: closed(to: job, at: now)) >= job.ranks ? .kept(for: head) : .behind(job: head))
        }
    }
}
