// SPDX-License-Identifier: Apache-2.0

/// Latest starts that were promised to jobs which came first and did not fit. A promise never moves, and no job starts that may, by its
/// limit, still need then what a promise needs. So while limits are kept and no node is lost, no promise is broken: whatever runs at a
/// promised start was counted when the promise was made or was let in beside it, and ends only earlier than counted.
///
/// Where any free slot will do for any rank, counting slots is enough. Otherwise a promise is one of places on nodes.
struct Promises: Sendable {
    struct Promise: Sendable {
        var job: Job
        var start: Int
        /// Empty where slots are counted.
        var shares: [Share]
        /// What of the nodes with its shares jobs hold that may still run at its start, by node. Where slots are counted: of all, as node 0.
        var held: [Int: Machine.Room]

        var end: Int { start.later(by: job.limit) }
        func isActive(at time: Int) -> Bool { start <= time && time < end }
        func overlaps(_ from: Int, _ to: Int) -> Bool { start < to && end > from }
    }

    /// By start, then by job.
    private(set) var all: [Promise] = [] { didSet { known = [:] } }
    /// Ceilings for jobs that are not promised anything and may run beyond the first so many promised starts.
    private var known: [Int: Ceilings] = [:]
    /// Slots are counted.
    private(set) var isPool = true

    func start(of job: Int) -> Int? { all.first { $0.job.id == job }?.start }

    mutating func add(_ job: Job, at start: Int, shares: [Share], running: some Sequence<RunningJob>, _ machine: Machine) {
        var promise = Promise(job: job, start: start, shares: shares, held: [:])
        for node in shares.flatMap(\.nodes) { promise.held[node] = Machine.Room.none }
        if isPool { promise.held[0] = Machine.Room.none }
        for other in running where other.latestEnd > start { hold(other, 1, in: &promise, machine) }
        let place = all.firstIndex { ($0.start, $0.job.id) > (start, job.id) } ?? all.count
        all.insert(promise, at: place)
    }

    mutating func remove(_ job: Int) { all.removeAll { $0.job.id == job } }

    mutating func removeAll() { all = [] }

    /// Of jobs that would run on the node; of all, where slots are counted.
    mutating func remove(on node: Int) { all = isPool ? [] : all.filter { $0.held[node] == nil } }

    mutating func begin(_ job: RunningJob, _ machine: Machine) { count(job, 1, machine) }
    mutating func end(_ job: RunningJob, _ machine: Machine) { count(job, -1, machine) }

    private mutating func count(_ job: RunningJob, _ sign: Int, _ machine: Machine) {
        guard !all.isEmpty, job.latestEnd > all[0].start else { return }
        for index in all.indices where job.latestEnd > all[index].start { hold(job, sign, in: &all[index], machine) }
    }

    private func hold(_ job: RunningJob, _ sign: Int, in promise: inout Promise, _ machine: Machine) {
        if isPool {
            promise.held[0]?.slots += sign * job.job.ranks
            return
        }
        let memory = machine.memoryPerRank(job.job.demand)
        for share in job.shares {
            for node in share.nodes {
                promise.held[node]?.slots += sign * Int(share.ranks)
                promise.held[node]?.memory += sign * Int(share.ranks) * memory
            }
        }
    }

    // MARK: Where slots are counted

    /// How many ranks a job that starts now and may run until `end` can have, so that no promise is broken.
    /// - Parameter job: its own promise does not count.
    func mostRanks(for job: Job, until end: Int, _ machine: Machine) -> Int {
        var most = Int.max
        for promise in all {
            guard promise.start < end else { break }
            guard promise.job.id != job.id else { continue }
            most = min(most, machine.upSlots - (promise.held[0]?.slots ?? 0) - active(at: promise.start, but: job.id))
        }
        return most
    }

    private func active(at time: Int, but job: Int) -> Int {
        all.reduce(0) { $1.isActive(at: time) && $1.job.id != job ? $0 + $1.job.ranks : $0 }
    }

    /// The least time from `earliest` on at which the job could start with all that runs ending by its limit.
    func earliestByCount(
        for job: Job, notBefore earliest: Int, ends: SortedChunks<JobEnd>, running: [Int: RunningJob], _ machine: Machine
    ) -> Int? {
        var changes: [(time: Int, ranks: Int)] = []
        for chunk in ends.chunks {
            for end in chunk { if let ranks = running[end.job]?.job.ranks { changes.append((end.time, ranks)) } }
        }
        for promise in all { changes += [(promise.start, -promise.job.ranks), (promise.end, promise.job.ranks)] }
        changes.sort { $0.time < $1.time }
        var free = machine.freeSlots
        var start: Int? = nil
        var index = 0
        while index < changes.count, changes[index].time <= earliest {
            free += changes[index].ranks
            index += 1
        }
        if free >= job.ranks { start = earliest }
        while index < changes.count {
            let time = changes[index].time
            if let start, time >= start.later(by: job.limit) { return start }
            while index < changes.count, changes[index].time == time {
                free += changes[index].ranks
                index += 1
            }
            if free < job.ranks { start = nil } else if start == nil { start = time }
        }
        return start
    }

    // MARK: Where places count

    /// What of the nodes a job that starts now and may run until `end` can use, so that no promise is broken.
    mutating func ceilings(for job: Job, until end: Int, _ machine: Machine) -> Ceilings? {
        guard let first = all.first, first.start < end else { return nil }
        guard all.allSatisfy({ $0.job.id != job.id }) else { return makeCeilings(for: job, until: end, machine) }
        let count = all.firstIndex { $0.start >= end } ?? all.count
        if let known = known[count] { return known }
        let made = makeCeilings(for: job, until: end, machine)
        known[count] = made
        return made
    }

    private func makeCeilings(for job: Job, until end: Int, _ machine: Machine) -> Ceilings {
        var ceilings = Ceilings(nodes: machine.nodes.count)
        for promise in all {
            guard promise.start < end else { break }
            guard promise.job.id != job.id else { continue }
            var needed: [Int: Machine.Room] = [:]
            for other in all where other.isActive(at: promise.start) && other.job.id != job.id {
                Self.add(other, to: &needed, machine)
            }
            for (node, held) in promise.held {
                ceilings.lower(node, to: Machine.Room(machine.nodes[node]) - held - (needed[node] ?? .none))
            }
        }
        return ceilings
    }

    /// What of the nodes is left to a job that starts at `start`, where the rooms would be `room` but for the promises.
    func ceilings(for job: Job, at start: Int, _ machine: Machine, room: (Int) -> Machine.Room) -> Ceilings? {
        let end = start.later(by: job.limit)
        var needed: [Int: Machine.Room] = [:]
        for promise in all where promise.overlaps(start, end) && promise.job.id != job.id { Self.add(promise, to: &needed, machine) }
        guard !needed.isEmpty else { return nil }
        var ceilings = Ceilings(nodes: machine.nodes.count)
        for (node, amount) in needed { ceilings.lower(node, to: room(node) - amount) }
        return ceilings
    }

    private static func add(_ promise: Promise, to needed: inout [Int: Machine.Room], _ machine: Machine) {
        let memory = machine.memoryPerRank(promise.job.demand)
        for share in promise.shares {
            let amount = Machine.Room(slots: Int(share.ranks), memory: Int(share.ranks) * memory)
            for node in share.nodes { needed[node] = (needed[node] ?? .none) + amount }
        }
    }

    // MARK: From one to the other

    /// Gives every promise a place at its start; what has none is no longer promised.
    mutating func givePlaces(running: [RunningJob], _ machine: Machine, _ windows: Windows) {
        let old = all
        (all, isPool) = ([], false)
        for promise in old {
            var rooms = machine.emptyRooms
            for other in running where other.latestEnd > promise.start {
                let memory = machine.memoryPerRank(other.job.demand)
                for share in other.shares {
                    for node in share.nodes {
                        rooms[node] = rooms[node] - Machine.Room(slots: Int(share.ranks), memory: Int(share.ranks) * memory)
                    }
                }
            }
            var open = ceilings(for: promise.job, at: promise.start, machine) { rooms[$0] }
            if let closed = windows.closed(to: promise.job, at: promise.start) {
                open = open ?? Ceilings(nodes: machine.nodes.count)
                closed.nodes.forEach { open?.close($0) }
            }
            guard let shares = machine.shares(of: promise.job.ranks, promise.job.demand, in: rooms, within: open) else { continue }
            add(promise.job, at: promise.start, shares: shares, running: running, machine)
        }
    }

    mutating func countSlots(running: [RunningJob], _ machine: Machine) {
        let old = all
        (all, isPool) = ([], true)
        for promise in old { add(promise.job, at: promise.start, shares: [], running: running, machine) }
    }
}
