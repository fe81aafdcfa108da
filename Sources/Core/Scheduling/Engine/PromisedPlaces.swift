// SPDX-License-Identifier: Apache-2.0

/// What promises of places on nodes leave to jobs that start now, kept so that whether and where one fits beside them is known as fast as
/// without them.
struct PromisedPlaces: Sendable {
    /// By promise, then by node: what jobs that start now and may still run at the promise's start can have of it. Nothing is said of
    /// nodes that the promise does not need.
    private var ceilings: [[Machine.Room]] = []
    /// By promise: the machine as jobs may use it that can run beyond its start, but not beyond the next one's.
    private var views: [Machine] = []

    func needs(_ node: Int, at index: Int) -> Bool { ceilings[index][node] != .all }

    mutating func place(_ job: Job, beside count: Int, within closed: Ceilings?) -> [Share]? {
        views[count - 1].place(job.ranks, job.demand, within: closed)
    }

    func mayFit(_ job: Job, beside count: Int) -> Bool { count == 0 || views[count - 1].fit(job.demand) >= job.ranks }

    // MARK: Promises

    /// - Parameters:
    ///   - all: with the new one at `index`.
    ///   - room: what of a node is free at its start, but for promises.
    mutating func insert(at index: Int, _ all: [Promises.Promise], _ machine: Machine, room: (Int) -> Machine.Room) {
        let new = all[index]
        var ceiling = [Machine.Room](repeating: .all, count: machine.nodes.count)
        for share in new.shares { for node in share.nodes { ceiling[node] = room(node) } }
        for promise in all where promise.isActive(at: new.start) { Self.add(promise.shares, of: promise.job, -1, to: &ceiling, machine) }
        ceilings.insert(ceiling, at: index)
        views.insert(index > 0 ? views[index - 1] : machine, at: index)
        change(for: new, at: index, -1, all, machine)
    }

    /// - Parameter all: without `old`, which was at `index`.
    mutating func remove(at index: Int, _ old: Promises.Promise, _ all: [Promises.Promise], _ machine: Machine) {
        ceilings.remove(at: index)
        views.remove(at: index)
        change(for: old, at: index, 1, all, machine)
    }

    /// Makes the others that begin while one lasts give way to it, or have back what it had.
    private mutating func change(for promise: Promises.Promise, at index: Int, _ sign: Int, _ all: [Promises.Promise], _ machine: Machine) {
        for other in all.indices where all[other].job.id != promise.job.id && promise.isActive(at: all[other].start) {
            Self.add(promise.shares, of: promise.job, sign, to: &ceilings[other], machine)
        }
        for share in promise.shares { refresh(share.nodes, machine) }
    }

    /// Counts a job in (1), or out (-1).
    mutating func count(_ job: RunningJob, _ sign: Int, _ all: [Promises.Promise], _ machine: Machine) {
        for index in all.indices {
            guard all[index].start < job.latestEnd else { break }
            Self.add(job.shares, of: job.job, -sign, to: &ceilings[index], machine)
        }
        for share in job.shares { refresh(share.nodes, machine) }
    }

    private static func add(_ shares: [Share], of job: Job, _ sign: Int, to ceiling: inout [Machine.Room], _ machine: Machine) {
        let memory = machine.memoryPerRank(job.demand)
        for share in shares {
            let amount = share.amount(memory)
            for node in share.nodes where ceiling[node] != .all {
                ceiling[node] = sign > 0 ? ceiling[node] + amount : ceiling[node] - amount
            }
        }
    }

    // MARK: Views

    private mutating func refresh(_ nodes: Range<Int>, _ machine: Machine) {
        var rooms = nodes.map { machine.room($0) }
        for index in views.indices {
            for (place, node) in nodes.enumerated() { rooms[place] = rooms[place].least(ceilings[index][node]) }
            views[index].setRooms(of: nodes, to: rooms)
        }
    }

    mutating func follow(_ machine: Machine) {
        for index in views.indices { views[index] = machine }
        if !views.isEmpty { refresh(machine.nodes.indices, machine) }
    }

    /// What the first `count` promises but one leave, for its job.
    func ceilings(_ count: Int, without own: Int, _ all: [Promises.Promise], _ machine: Machine) -> Ceilings? {
        var result = Ceilings(nodes: machine.nodes.count)
        let promise = all[own]
        for index in 0..<count where index != own {
            var ceiling = ceilings[index]
            if promise.isActive(at: all[index].start) { Self.add(promise.shares, of: promise.job, 1, to: &ceiling, machine) }
            for share in all[index].shares { for node in share.nodes { result.lower(node, to: ceiling[node]) } }
        }
        return result.isEmpty ? nil : result
    }
}
