// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// Conservative backfilling: every job has a reservation from its submission on, which never moves to a later time while limits are kept.
/// When a job ends early, all others move forward as far as they can, in the order of their submission.
struct Reservations: Sendable {
    struct Reservation: Sendable {
        var job: Job
        /// `nil`: no time could be found, as for a job that is too large.
        var start: Int?
        /// By node; empty where all nodes are one cell.
        var shares: [Share]
    }

    private var profile: Profile
    /// Only slots count, so that all nodes are one cell.
    let isPool: Bool
    private var waiting: [Reservation] = []
    private var running: [Int: RunningJob] = [:]
    private var hasEarlyEnd = false

    /// - Parameters:
    ///   - running: has its part of the nodes.
    ///   - old: of the jobs that wait, in the order of their submission; they keep their starts where that is possible.
    init(_ machine: Machine, _ windows: Windows, isPool: Bool, running: [RunningJob] = [], old: [Reservation] = [], at now: Int = 0) {
        self.isPool = isPool
        profile = Profile(isPool ? [Machine.Room(slots: machine.upSlots, memory: 0)] : machine.emptyRooms, from: now)
        for job in running { resume(job, machine) }
        var kept: [Int: Reservation] = [:]
        for reservation in old.sorted(by: { ($0.start ?? .max, $0.job.id) < ($1.start ?? .max, $1.job.id) }) {
            kept[reservation.job.id] = reserve(reservation.job, at: now, preferring: reservation.start, machine, windows)
        }
        waiting = old.compactMap { kept[$0.job.id] }
        hasEarlyEnd = true
    }

    /// In the order of submission.
    var all: [Reservation] { waiting }

    mutating func add(_ job: Job, at now: Int, _ machine: Machine, _ windows: Windows) {
        profile.forget(before: now)
        waiting.append(reserve(job, at: now, machine, windows))
    }

    mutating func withdraw(_ id: Int, _ machine: Machine) {
        guard let index = waiting.firstIndex(where: { $0.job.id == id }) else { return }
        giveBack(waiting.remove(at: index), machine)
        hasEarlyEnd = true
    }

    mutating func end(_ job: RunningJob, at now: Int, _ machine: Machine) {
        guard let planned = running.removeValue(forKey: job.job.id), planned.latestEnd > now else { return }
        change(job.job, job.shares, from: now, to: planned.latestEnd, by: 1, machine)
        hasEarlyEnd = true
    }

    mutating func resume(_ job: RunningJob, _ machine: Machine) {
        change(job.job, job.shares, from: job.started, to: job.latestEnd, by: -1, machine)
        running[job.job.id] = job
    }

    /// Moves reservations forward, if a job ended early, and makes those that are missing.
    /// - Parameter isHeld: the job may not start now; then it has no reservation, so that none waits for it.
    /// - Returns: the jobs whose time has come, in the order of their submission.
    mutating func due(at now: Int, _ machine: Machine, _ windows: Windows, isHeld: (Job) -> Bool) -> [Reservation] {
        profile.forget(before: now)
        for index in waiting.indices {
            let old = waiting[index]
            let isLate = old.start.map { $0 < now } ?? true
            if isLate || old.start == now, isHeld(old.job) {
                giveBack(old, machine)
                waiting[index].start = nil
                hasEarlyEnd = hasEarlyEnd || old.start != nil
            } else if isLate || hasEarlyEnd && old.start != now {
                giveBack(old, machine)
                waiting[index] = reserve(old.job, at: now, preferring: isLate ? nil : old.start, machine, windows)
            }
        }
        hasEarlyEnd = false
        return waiting.filter { $0.start == now }
    }

    mutating func start(_ job: RunningJob, _ machine: Machine) {
        guard let index = waiting.firstIndex(where: { $0.job.id == job.job.id }) else { return }
        giveBack(waiting.remove(at: index), machine)
        resume(job, machine)
    }

    /// The next reservation to come.
    func next(after now: Int) -> Int? { waiting.lazy.compactMap(\.start).filter { $0 > now }.min() }

    func start(of id: Int) -> Int? { waiting.last { $0.job.id == id }?.start }

    /// - Parameter old: a start that is possible, unless an earlier one is.
    private mutating func reserve(
        _ job: Job, at now: Int, preferring old: Int? = nil, _ machine: Machine, _ windows: Windows
    ) -> Reservation {
        if isPool {
            guard machine.isPlain(job.demand), job.reservation == nil else { return Reservation(job: job, start: nil, shares: []) }
            let start = profile.earliest(from: now, for: job.limit, slots: job.ranks)
            if let start { change(job, [], from: start, to: start.later(by: job.limit), by: -1, machine) }
            return Reservation(job: job, start: start, shares: [])
        }
        let instants = windows.boundaries(after: now) + [old].compactMap(\.self)
        let found = profile.earliest(from: now, for: job.limit, instants: instants) { time, rooms in
            machine.shares(of: job.ranks, job.demand, in: rooms, within: windows.closed(to: job, at: time))
        }
        guard let found else { return Reservation(job: job, start: nil, shares: []) }
        change(job, found.place, from: found.time, to: found.time.later(by: job.limit), by: -1, machine)
        return Reservation(job: job, start: found.time, shares: found.place)
    }

    private mutating func giveBack(_ reservation: Reservation, _ machine: Machine) {
        guard let start = reservation.start else { return }
        change(reservation.job, reservation.shares, from: start, to: start.later(by: reservation.job.limit), by: 1, machine)
    }

    private mutating func change(_ job: Job, _ shares: [Share], from start: Int, to end: Int, by sign: Int, _ machine: Machine) {
        let memory = machine.memoryPerRank(job.demand)
        let parts = shares.flatMap { share in share.nodes.map { ($0, Int(share.ranks), Int(share.ranks) * memory) } }
        profile.change(isPool ? [(0, job.ranks, 0)] : parts, from: start, to: end, by: sign)
    }
}
