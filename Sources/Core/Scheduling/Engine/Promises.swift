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
        /// Where slots are counted: those that are taken at its start, by jobs that may still run then and by promises, its own included.
        fileprivate(set) var taken: Int

        var end: Int { start.later(by: job.limit) }
        func isActive(at time: Int) -> Bool { start <= time && time < end }
        func overlaps(_ from: Int, _ to: Int) -> Bool { start < to && end > from }
    }

    /// By start, then by job.
    private(set) var all: [Promise] = []
    /// `nil`: slots are counted.
    private var places: PromisedPlaces?

    var isPool: Bool { places == nil }

    func start(of job: Int) -> Int? { all.first { $0.job.id == job }?.start }

    private func place(of start: Int, _ job: Int) -> Int { all.firstIndex { ($0.start, $0.job.id) > (start, job) } ?? all.count }

    mutating func remove(_ job: Int, _ machine: Machine) {
        guard let index = all.firstIndex(where: { $0.job.id == job }) else { return }
        let old = all.remove(at: index)
        places?.remove(at: index, old, all, machine)
        for index in all.indices where old.isActive(at: all[index].start) { all[index].taken -= old.job.ranks }
    }

    mutating func removeAll() {
        all = []
        if places != nil { places = PromisedPlaces() }
    }

    /// Of jobs that would run on the node; of all, where slots are counted.
    mutating func remove(on node: Int, _ machine: Machine) {
        guard let places else { return removeAll() }
        for (index, promise) in all.enumerated() where places.needs(node, at: index) { remove(promise.job.id, machine) }
    }

    /// `machine` has it among what it has taken.
    mutating func begin(_ job: RunningJob, _ machine: Machine) { count(job, 1, machine) }

    /// `machine` has got back what it had.
    mutating func end(_ job: RunningJob, _ machine: Machine) { count(job, -1, machine) }

    private mutating func count(_ job: RunningJob, _ sign: Int, _ machine: Machine) {
        guard let first = all.first else { return }
        if places != nil {
            places?.count(job, sign, all, machine)
        } else if first.start < job.latestEnd {
            for index in all.indices where all[index].start < job.latestEnd { all[index].taken += sign * job.job.ranks }
        }
    }

    /// The machine's nodes that are up, or the demands that it knows, are others than before.
    mutating func follow(_ machine: Machine) { places?.follow(machine) }

    // MARK: Where slots are counted

    /// - Parameter ends: of what runs, by limits.
    mutating func add(_ job: Job, at start: Int, ends: SortedChunks<JobEnd>) {
        for index in all.indices where start <= all[index].start && all[index].start < start.later(by: job.limit) {
            all[index].taken += job.ranks
        }
        let taken = all.reduce(ends.ranks(after: start) + job.ranks) { $1.isActive(at: start) ? $0 + $1.job.ranks : $0 }
        all.insert(Promise(job: job, start: start, shares: [], taken: taken), at: place(of: start, job.id))
    }

    /// How many ranks a job that starts now and may run until `end` can have, so that no promise is broken.
    /// - Parameter job: its own promise does not count.
    func mostRanks(for job: Job, until end: Int, _ machine: Machine) -> Int {
        let own = all.first { $0.job.id == job.id }
        var most = Int.max
        for promise in all {
            guard promise.start < end else { break }
            guard promise.job.id != job.id else { continue }
            most = min(most, machine.upSlots - promise.taken + (own.map { $0.isActive(at: promise.start) } ?? false ? job.ranks : 0))
        }
        return most
    }

    /// The least time from `earliest` on at which the job could start with all that runs ending by its limit.
    func earliestByCount(for job: Job, notBefore earliest: Int, ends: SortedChunks<JobEnd>, _ machine: Machine) -> Int? {
        var changes: [(time: Int, ranks: Int)] = []
        for promise in all { changes += [(promise.start, -promise.job.ranks), (promise.end, promise.job.ranks)] }
        changes.sort { $0.time < $1.time }
        var next = 0
        var free = machine.freeSlots
        var start: Int?
        var last = Int.min
        /// - Returns: the job's start, once it is sure: between the last change and `time`, nothing changes.
        func settle(before time: Int) -> Int? {
            if last <= earliest, time > earliest { start = free >= job.ranks ? earliest : nil }
            if last > earliest { if free < job.ranks { start = nil } else if start == nil { start = last } }
            return start.flatMap { time >= $0.later(by: job.limit) ? $0 : nil }
        }
        func change(at time: Int, by ranks: Int) -> Int? {
            if time != last {
                if let start = settle(before: time) { return start }
                last = time
            }
            free += ranks
            return nil
        }
        for chunk in ends.chunks {
            for end in chunk {
                while next < changes.count, changes[next].time <= end.time {
                    if let start = change(at: changes[next].time, by: changes[next].ranks) { return start }
                    next += 1
                }
                if let start = change(at: end.time, by: Int(end.ranks)) { return start }
            }
        }
        for (time, ranks) in changes[next...] { if let start = change(at: time, by: ranks) { return start } }
        return settle(before: .max)
    }

    // MARK: Where places count

    /// - Parameter room: what of a node is free at that time, but for promises.
    mutating func add(_ job: Job, at start: Int, shares: [Share], _ machine: Machine, room: (Int) -> Machine.Room) {
        let index = place(of: start, job.id)
        all.insert(Promise(job: job, start: start, shares: shares, taken: 0), at: index)
        places?.insert(at: index, all, machine, room: room)
    }

    /// Takes room for a job that starts now and may run until `end`, so that no promise is broken.
    /// - Parameter job: its own promise does not count.
    mutating func place(_ job: Job, until end: Int, in machine: inout Machine, within closed: Ceilings?) -> [Share]? {
        let count = all.firstIndex { $0.start >= end } ?? all.count
        guard count > 0, places != nil else { return machine.place(job.ranks, job.demand, within: closed) }
        if let own = all.firstIndex(where: { $0.job.id == job.id }) {
            // Those of the same start already leave room for it.
            let before = all.firstIndex { $0.start >= all[own].start } ?? own
            guard places?.mayFit(job, beside: min(before, count)) ?? true else { return nil }
            let ceilings = places?.ceilings(count, without: own, all, machine)
            return machine.place(job.ranks, job.demand, within: Ceilings.lower(ceilings, closed))
        }
        guard let shares = places?.place(job, beside: count, within: closed) else { return nil }
        machine.take(shares, job.demand)
        return shares
    }

    /// What of the nodes is left to a job that starts at `start`, where the rooms would be `room` but for the promises.
    func ceilings(for job: Job, at start: Int, _ machine: Machine, room: (Int) -> Machine.Room) -> Ceilings? {
        let end = start.later(by: job.limit)
        var ceilings: Ceilings?
        for promise in all where promise.overlaps(start, end) && promise.job.id != job.id {
            let memory = machine.memoryPerRank(promise.job.demand)
            if ceilings == nil { ceilings = Ceilings(nodes: machine.nodes.count) }
            for share in promise.shares { for node in share.nodes { ceilings?.lower(node, by: share.amount(memory), from: room(node)) } }
        }
        return ceilings
    }

    // MARK: From one to the other

    /// Gives every promise a place at its start; what has none is no longer promised.
    mutating func givePlaces(running: [RunningJob], _ machine: Machine, _ windows: Windows) {
        let old = all
        (all, places) = ([], PromisedPlaces())
        for promise in old {
            var rooms = machine.emptyRooms
            for other in running where other.latestEnd > promise.start {
                let memory = machine.memoryPerRank(other.job.demand)
                for share in other.shares { for node in share.nodes { rooms[node] = rooms[node] - share.amount(memory) } }
            }
            var open = ceilings(for: promise.job, at: promise.start, machine) { rooms[$0] }
            if let closed = windows.closed(to: promise.job, at: promise.start) {
                open = open ?? Ceilings(nodes: machine.nodes.count)
                closed.nodes.forEach { open?.close($0) }
            }
            guard let shares = machine.shares(of: promise.job.ranks, promise.job.demand, in: rooms, within: open) else { continue }
            add(promise.job, at: promise.start, shares: shares, machine) { rooms[$0] }
        }
    }

    mutating func countSlots(ends: SortedChunks<JobEnd>) {
        let old = all
        (all, places) = ([], nil)
        for promise in old { add(promise.job, at: promise.start, ends: ends) }
    }
}
