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
    /// Only slots count on any node, so that all are one cell.
    private let isPool: Bool
    private var waiting: [Reservation] = []
    private var runningEnds: [Int: (start: Int, end: Int, job: Job, shares: [Share])] = [:]
    private var hasEarlyEnd = false

    /// - Parameters:
    ///   - running: takes its part of the nodes.
    ///   - jobs: that wait, in the order of their submission; they are given new reservations.
    init(_ machine: Machine, _ windows: Windows, running: [RunningJob], waiting jobs: [Job], at now: Int) {
        isPool = windows.isEmpty && machine.nodes.allSatisfy { $0.memory == 0 && $0.labels.isEmpty }
        let rooms = machine.emptyRooms
        let slots = rooms.reduce(0) { $0 + $1.slots }
        profile = Profile(isPool ? [Machine.Room(slots: slots, memory: 0)] : rooms, from: now)
        for job in running { resume(job, machine) }
        for job in jobs { waiting.append(reserve(job, at: now, machine, windows)) }
    }

    mutating func add(_ job: Job, at now: Int, _ machine: Machine, _ windows: Windows) {
        profile.forget(before: now)
        waiting.append(reserve(job, at: now, machine, windows))
    }

    mutating func withdraw(_ id: Int, _ machine: Machine) {
        guard let index = waiting.firstIndex(where: { $0.job.id == id }) else { return }
        let reservation = waiting.remove(at: index)
        if let start = reservation.start {
            change(reservation.job, reservation.shares, from: start, to: start + reservation.job.limit, by: 1, machine)
        }
        hasEarlyEnd = true
    }

    mutating func end(_ job: RunningJob, at now: Int, _ machine: Machine) {
        guard let planned = runningEnds.removeValue(forKey: job.job.id), planned.end > now else { return }
        change(job.job, job.shares, from: now, to: planned.end, by: 1, machine)
        hasEarlyEnd = true
    }

    mutating func resume(_ job: RunningJob, _ machine: Machine) {
        change(job.job, job.shares, from: job.started, to: job.latestEnd, by: -1, machine)
        runningEnds[job.job.id] = (job.started, job.latestEnd, job.job, job.shares)
    }

    /// Moves reservations forward, if a job ended early.
    /// - Returns: the jobs whose time has come, in the order of their submission.
    mutating func due(at now: Int, _ machine: Machine, _ windows: Windows) -> [Reservation] {
        if hasEarlyEnd {
            hasEarlyEnd = false
            profile.forget(before: now)
            for index in waiting.indices where waiting[index].start.map({ $0 > now }) ?? true {
                let old = waiting[index]
                if let start = old.start { change(old.job, old.shares, from: start, to: start + old.job.limit, by: 1, machine) }
                waiting[index] = reserve(old.job, at: now, machine, windows)
            }
        }
        return waiting.filter { $0.start.map { $0 <= now } ?? false }
    }

    mutating func start(_ running: RunningJob) {
        waiting.removeAll { $0.job.id == running.job.id }
        runningEnds[running.job.id] = (running.started, running.latestEnd, running.job, running.shares)
    }

    /// The next reservation to come.
    func next(after now: Int) -> Int? { waiting.lazy.compactMap(\.start).filter { $0 > now }.min() }

    func start(of id: Int) -> Int? { waiting.first { $0.job.id == id }?.start }

    private mutating func reserve(_ job: Job, at now: Int, _ machine: Machine, _ windows: Windows) -> Reservation {
        if isPool {
            let start = profile.earliest(from: now, for: job.limit, slots: job.ranks)
            if let start { change(job, [], from: start, to: start + job.limit, by: -1, machine) }
            return Reservation(job: job, start: start, shares: [])
        }
        let found = profile.earliest(from: now, for: job.limit) { time, rooms in
            machine.shares(of: job.ranks, job.demand, in: rooms, within: windows.closed(to: job, at: time))
        }
        guard let found else { return Reservation(job: job, start: nil, shares: []) }
        change(job, found.place, from: found.time, to: found.time + job.limit, by: -1, machine)
        return Reservation(job: job, start: found.time, shares: found.place)
    }

    private mutating func change(_ job: Job, _ shares: [Share], from start: Int, to end: Int, by sign: Int, _ machine: Machine) {
        let memory = machine.memoryPerRank(job.demand)
        profile.change(
            isPool
                ? [(0, job.ranks, 0)] : shares.flatMap { share in share.nodes.map { ($0, Int(share.ranks), Int(share.ranks) * memory) } },
            from: start, to: end,
            by: sign)
    }
}
