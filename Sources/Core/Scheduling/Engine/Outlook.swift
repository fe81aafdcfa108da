// SPDX-License-Identifier: Apache-2.0

/// When a job that does not fit now could start, and what of the nodes it would leave to others then.
struct Outlook: Sendable {
    /// What each node will have got back by then.
    private var released: [Machine.Room]
    private var touched: [Range<Int>] = []
    private(set) var job: Job?
    /// `Int.max`: not by the jobs that run ending.
    private(set) var time = Int.max
    /// Ranks of the job beyond those it needs that would fit then.
    private(set) var surplus = 0
    private var ceilings: Ceilings?
    /// Any free slot does for any rank, so that no node is looked at.
    private var isCounted = false

    init(nodes: Int) { released = [Machine.Room](repeating: .none, count: nodes) }

    mutating func clear() {
        for nodes in touched { for node in nodes { released[node] = .none } }
        touched.removeAll(keepingCapacity: true)
        job = nil
    }

    /// - Parameters:
    ///   - isCounted: any free slot does for any rank of this and of all other jobs.
    ///   - earliest: no time before it counts.
    ///   - ends: of what runs, in their order.
    ///   - instants: at which, beside the ends, more may be open than before; in their order.
    ///   - ceilings: what of the nodes is open to the job if it starts at an instant, were they empty.
    mutating func look(
        for job: Job, isCounted: Bool = false, from now: Int, notBefore earliest: Int? = nil, _ machine: Machine,
        ends: SortedChunks<JobEnd>,
        running: [Int: RunningJob], instants: [Int], ceilings limits: (Int, (Int) -> Machine.Room) -> Ceilings?
    ) {
        clear()
        self.job = job
        self.isCounted = isCounted
        (time, surplus, ceilings) = (.max, 0, nil)
        var available = machine.fit(job.demand)
        var instants = instants[...]
        /// Whether the job fits at `instant`, all that ends by then being counted.
        func fits(at instant: Int) -> Bool {
            guard available >= job.ranks, instant >= earliest ?? now + 1 else { return false }
            ceilings = limits(instant) { machine.room($0) + released[$0] }
            let fit = available - (ceilings.map { lost(to: $0, job, machine) } ?? 0)
            guard fit >= job.ranks, !machine.isShaped(job.demand) || shares(machine) != nil else { return false }
            (time, surplus) = (instant, fit - job.ranks)
            return true
        }
        var last = now
        for chunk in ends.chunks {
            for end in chunk {
                if end.time != last {
                    // Whatever ends at one instant is counted together.
                    if fits(at: last) { return }
                    while let instant = instants.first, instant < end.time {
                        instants.removeFirst()
                        if instant > last, fits(at: instant) { return }
                    }
                    last = end.time
                }
                guard let ended = running[end.job] else { continue }
                available += add(ended.shares, of: ended.job, machine)
            }
        }
        if fits(at: last) { return }
        for instant in instants where instant > last && fits(at: instant) { return }
        ceilings = nil
    }

    /// Counts shares as free at that time.
    /// - Returns: how many more of the job's ranks fit with them.
    @discardableResult
    mutating func add(_ shares: [Share], of other: Job, _ machine: Machine, within ceilings: Ceilings? = nil) -> Int {
        guard let job, !isCounted else { return other.ranks }
        let (memory, own) = (machine.memoryPerRank(other.demand), machine.memoryPerRank(job.demand))
        var gained = 0
        for share in shares {
            let amount = Machine.Room(slots: Int(share.ranks), memory: Int(share.ranks) * memory)
            touched.append(share.nodes)
            for node in share.nodes {
                let before = machine.room(node) + released[node]
                released[node] = released[node] + amount
                guard machine.suits(node, job.demand) else { continue }
                if let ceilings {
                    gained += ceilings.room(node, before + amount).ranks(own) - ceilings.room(node, before).ranks(own)
                } else {
                    gained += (before + amount).ranks(own) - before.ranks(own)
                }
            }
        }
        return gained
    }

    /// Whether each rank of `other` would take the place of just one of the job's, so that counting them is enough.
    func losesOneForEach(of other: Job, _ machine: Machine) -> Bool {
        isCounted || (job.map { ceilings == nil && machine.takesEqually($0.demand, other.demand) } ?? false)
    }

    /// Keeps what `shares`, taken by a job that will still run then, leave to the job.
    /// - Returns: false, and nothing is kept, when it could not start at that time any more.
    mutating func reserve(_ shares: [Share], of other: Job, _ machine: Machine) -> Bool {
        guard let job, time != .max else { return true }
        if losesOneForEach(of: other, machine) {
            guard other.ranks <= surplus else { return false }
            surplus -= other.ranks
            return true
        }
        let lost = add(shares, of: other, machine, within: ceilings)
        let memory = machine.memoryPerRank(other.demand)
        for share in shares {
            let amount = Machine.Room(slots: Int(share.ranks), memory: Int(share.ranks) * memory)
            for node in share.nodes { released[node] = released[node] - amount }
        }
        guard lost <= surplus, !machine.isShaped(job.demand) || self.shares(machine) != nil else { return false }
        surplus -= lost
        return true
    }

    /// What of a node is free at that time.
    func room(_ node: Int, _ machine: Machine) -> Machine.Room { machine.room(node) + released[node] }

    /// Where the job would start at that time.
    func shares(_ machine: Machine) -> [Share]? {
        guard let job else { return nil }
        let rooms = machine.nodes.indices.map { machine.room($0) + released[$0] }
        return machine.shares(of: job.ranks, job.demand, in: rooms, within: ceilings)
    }

    private func lost(to ceilings: Ceilings, _ job: Job, _ machine: Machine) -> Int {
        let memory = machine.memoryPerRank(job.demand)
        var lost = 0
        ceilings.nodes.forEach { node in
            guard machine.suits(node, job.demand) else { return }
            let room = machine.room(node) + released[node]
            lost += room.ranks(memory) - ceilings.room(node, room).ranks(memory)
        }
        return lost
    }
}
