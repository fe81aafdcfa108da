// SPDX-License-Identifier: Apache-2.0

import Scheduling
import WorkflowModel

/// Counts along with a scheduler, by simpler means, and says where it breaks a promise.
struct ScheduleAudit {
    private let sample: RandomCluster
    private var slots: [Int]
    private var memory: [Int]
    private var isUp: [Bool]
    private var windows: [Window] = []
    private var running: [Int: RunningJob] = [:]
    private var held: [(ranks: Int, memory: Int, rankSeconds: Int)]
    private var withdrawn: Set<Int> = []
    /// Ids of jobs that wait.
    private var waiting: [Int] = []
    private var submitted = 0
    private var lastStarted = -1
    private var promises: [Int: Int] = [:]
    private(set) var faults: [String] = []

    init(_ sample: RandomCluster) {
        self.sample = sample
        slots = sample.nodes.map(\.slots)
        memory = sample.nodes.map(\.memory)
        isUp = sample.nodes.map { $0.state == .up }
        held = sample.accounts.map { _ in (0, 0, 0) }
    }

    /// Plays all of a cluster.
    static func faults(_ sample: RandomCluster) -> [String] {
        var (audit, replay) = (ScheduleAudit(sample), sample.replay())
        while audit.faults.isEmpty, let instant = replay.step() { audit.check(instant, replay.scheduler) }
        if audit.faults.isEmpty { audit.checkAllHaveStarted(replay.starts) }
        return audit.faults
    }

    private mutating func fail(_ now: Int, _ what: String) { faults.append((now == .max ? "in the end: " : "at \(now): ") + what) }

    /// - Parameter isSteady: what was promised still counts.
    mutating func check(_ instant: Replay.Instant, _ scheduler: borrowing Scheduler, isSteady: Bool = true) {
        let now = instant.now
        for job in instant.ended { count(job, -1, at: now) }
        for change in instant.changes {
            switch change.kind {
            case .up(let node, let up): isUp[node] = up
            case .windows(let list): windows = list
            case .withdraw(let id): if waiting.contains(id) { withdrawn.insert(id) }
            }
        }
        while submitted < sample.entries.count, sample.entries[submitted].submitted <= now {
            waiting.append(submitted)
            submitted += 1
        }
        if !withdrawn.isEmpty { waiting.removeAll { withdrawn.contains($0) } }
        for job in instant.started { checkStart(job, at: now) }
        if !instant.started.isEmpty {
            let ids = Set(instant.started.map(\.job.id))
            waiting.removeAll { ids.contains($0) }
        }
        checkCapacity(now)
        if scheduler.waitingCount != waiting.count { fail(now, "\(scheduler.waitingCount) jobs wait instead of \(waiting.count)") }
        if !instant.changes.isEmpty, scheduler.runningJobs.map(\.job.id) != running.keys.sorted() { fail(now, "a running job is lost") }
        if sample.hasQuotas || !isSteady { return }
        switch sample.policy.policy.backfill {
        case .none, .easy: checkHead(now, scheduler)
        case .promises: checkPromises(now, scheduler)
        case .conservative:
            checkPromises(now, scheduler)
            checkReservations(now, scheduler)
        }
    }

    // MARK: Starts

    private mutating func count(_ job: RunningJob, _ sign: Int, at now: Int) {
        let entry = sample.entries[job.job.id]
        running[job.job.id] = sign > 0 ? job : nil
        for node in job.shares.nodeOfRank {
            slots[node] -= sign
            memory[node] -= sign * entry.request.memoryPerRank
        }
        var account: Int? = entry.account
        while let index = account {
            held[index].ranks += sign * entry.ranks
            held[index].memory += sign * entry.ranks * entry.request.memoryPerRank
            held[index].rankSeconds += entry.ranks * (sign > 0 ? entry.limit : now - job.started - entry.limit)
            account = sample.accounts[index].parent
        }
    }

    private mutating func checkStart(_ job: RunningJob, at now: Int) {
        let (id, entry) = (job.job.id, sample.entries[job.job.id])
        if !waiting.contains(id) { fail(now, "\(id) starts, though it does not wait") }
        if job.started != now || job.job.submitted > now { fail(now, "\(id) starts at a wrong time") }
        let nodes = job.shares.nodeOfRank
        if nodes.count != entry.ranks { return fail(now, "\(id) starts in part: \(job.shares)") }
        let labels = entry.request.blocks.flatMap { block in (0..<block.ranks).map { _ in block.labels } }
        let closed = closed(to: entry, at: now)
        for (rank, node) in nodes.enumerated() {
            if !isUp[node] { fail(now, "\(id) starts on node \(node), which is not up") }
            if closed[node] { fail(now, "\(id) would run in a window of node \(node)") }
            let needed = (labels.isEmpty ? [] : labels[rank]).union(entry.request.needs.labels ?? [])
            if !sample.nodes[node].labels.isSuperset(of: needed) { fail(now, "rank \(rank) of \(id) is on a node without \(needed)") }
        }
        if let count = entry.request.needs.nodes, Set(nodes).count != count { fail(now, "\(id) is not on \(count) nodes") }
        count(job, 1, at: now)
        if let promise = promises[id], now > promise { fail(now, "\(id) was promised to start at \(promise)") }
        checkQuotas(id, now)
        // A reservation that is not known yet holds nobody back.
        if sample.policy == .firstComeFirstServed, !sample.hasQuotas, entry.reservation == nil {
            if id < lastStarted { fail(now, "\(id) starts after \(lastStarted)") }
            lastStarted = id
        }
    }

    private mutating func checkCapacity(_ now: Int) {
        for node in slots.indices where slots[node] < 0 || memory[node] < 0 {
            fail(now, "node \(node) has \(slots[node]) slots and \(memory[node]) MiB")
        }
    }

    private mutating func checkQuotas(_ id: Int, _ now: Int) {
        var next: Int? = sample.entries[id].account
        while let index = next {
            let account = sample.accounts[index]
            let quota = account.quota
            next = account.parent
            if let most = quota.ranks, held[index].ranks > most + quota.borrowedRanks {
                fail(now, "with \(id), account \(index) has too many ranks")
            }
            if let most = quota.memory, held[index].memory > most { fail(now, "with \(id), account \(index) has too much memory") }
            if let most = quota.rankSeconds, held[index].rankSeconds > most {
                fail(now, "with \(id), account \(index) has too many rank-seconds")
            }
            guard let most = quota.ranks, held[index].ranks > most else { continue }
            let lenders = sample.accounts.indices.filter {
                sample.accounts[$0].parent == account.parent && sample.accounts[$0].quota.ranks != nil
            }
            let owned = lenders.reduce(0) { $0 + (sample.accounts[$1].quota.ranks ?? 0) }
            if lenders.reduce(0, { $0 + held[$1].ranks }) > owned { fail(now, "with \(id), account \(index) borrows what nobody lends") }
        }
    }

    // MARK: Promises

    private func closed(to entry: Replay.Entry, at start: Int) -> [Bool] {
        var closed = sample.nodes.map { _ in entry.reservation != nil }
        for window in windows where entry.reservation != nil && window.reservation == entry.reservation {
            if window.start <= start, start + entry.limit <= window.end { for node in window.nodes { closed[node] = false } }
        }
        for window in windows where entry.reservation == nil || window.reservation != entry.reservation {
            if start < window.end, window.start < start + entry.limit { for node in window.nodes { closed[node] = true } }
        }
        return closed
    }

    /// Whether the job would fit on nodes with so much free. Not for ranks that need different labels.
    private func fits(_ entry: Replay.Entry, _ slots: [Int], _ memory: [Int], _ isOpen: (Int) -> Bool) -> Bool {
        let needed = Set(entry.request.needs.labels ?? [])
        var rooms: [Int] = []
        for node in slots.indices where isOpen(node) && sample.nodes[node].labels.isSuperset(of: needed) {
            let perRank = entry.request.memoryPerRank
            rooms.append(perRank == 0 ? slots[node] : min(slots[node], memory[node] / perRank))
        }
        guard let count = entry.request.needs.nodes else { return rooms.reduce(0, +) >= entry.ranks }
        let (share, rest) = entry.ranks.quotientAndRemainder(dividingBy: count)
        return rooms.count { $0 > share } >= rest && rooms.count { $0 >= share } >= count
    }

    private func isTooLarge(_ entry: Replay.Entry) -> Bool {
        !fits(entry, capacity.slots, capacity.memory) { _ in true }
    }

    private func fits(_ entry: Replay.Entry, at instant: Int, from now: Int) -> Bool {
        var (slots, memory) = (slots, memory)
        for (id, job) in running where now < instant && job.started + sample.entries[id].limit <= instant {
            for node in job.shares.nodeOfRank {
                slots[node] += 1
                memory[node] += sample.entries[id].request.memoryPerRank
            }
        }
        let closed = closed(to: entry, at: instant)
        return fits(entry, slots, memory) { isUp[$0] && !closed[$0] }
    }

    /// When the job could start if nothing else did, all that runs going on up to its limit.
    private func earliest(_ entry: Replay.Entry, from now: Int) -> Int {
        var instants = windows.flatMap { [$0.start, $0.end] }
        for (id, job) in running { instants.append(job.started + sample.entries[id].limit) }
        return instants.filter { $0 > now }.sorted().first { fits(entry, at: $0, from: now) } ?? .max
    }

    /// The first that could run at all does not fit, and where only limits count, it is never delayed any more.
    private mutating func checkHead(_ now: Int, _ scheduler: borrowing Scheduler) {
        let isByArrival = sample.policy.policy.order == .arrival
        let queue = isByArrival ? waiting : scheduler.waiting.map(\.id)
        let first = queue.first { !sample.entries[$0].request.blocks.isEmpty || !isTooLarge(sample.entries[$0]) }
        guard let first, sample.entries[first].request.blocks.isEmpty else { return }
        let entry = sample.entries[first]
        if fits(entry, at: now, from: now) { fail(now, "\(first) is the first and fits, but does not start") }
        if isByArrival, sample.goesByLimits, !sample.isUnsteady, promises[first] == nil { promises[first] = earliest(entry, from: now) }
    }

    /// No promise moves to a later time, or is forgotten.
    private mutating func checkPromises(_ now: Int, _ scheduler: borrowing Scheduler) {
        if sample.isUnsteady { return }
        for id in waiting {
            let start = scheduler.promisedStart(of: id)
            if let start, start <= now { fail(now, "\(id) was promised to start at \(start), but does not") }
            if let promise = promises[id], start.map({ $0 > promise }) ?? true {
                fail(now, "what was promised to \(id) moves from \(promise) to \(start.map(String.init) ?? "never")")
            }
            if let start { promises[id] = start }
        }
    }

    /// Every job that could run has one, whatever happens to the cluster.
    private mutating func checkReservations(_ now: Int, _ scheduler: borrowing Scheduler) {
        for id in waiting where scheduler.promisedStart(of: id) == nil {
            let entry = sample.entries[id]
            guard entry.reservation == nil, entry.request.blocks.isEmpty, fits(entry, capacity.slots, capacity.memory, { isUp[$0] }) else {
                continue
            }
            fail(now, "\(id) has no reservation")
        }
    }

    private var capacity: (slots: [Int], memory: [Int]) { (sample.nodes.map(\.slots), sample.nodes.map(\.memory)) }

    // MARK: At the end

    mutating func checkAllHaveStarted(_ starts: [Int?]) {
        if !running.isEmpty { fail(.max, "\(running.keys.sorted()) have not ended") }
        for (id, start) in starts.enumerated() where start == nil && !withdrawn.contains(id) {
            let entry = sample.entries[id]
            if entry.request.blocks.isEmpty, !isTooLarge(entry), isAllowed(entry) { fail(.max, "\(id) has never started") }
        }
    }

    /// By quotas that do not run out, without borrowing.
    private func isAllowed(_ entry: Replay.Entry) -> Bool {
        var account: Int? = entry.account
        while let index = account {
            let quota = sample.accounts[index].quota
            if quota.rankSeconds != nil || entry.ranks > quota.ranks ?? .max { return false }
            if entry.ranks * entry.request.memoryPerRank > quota.memory ?? .max { return false }
            account = sample.accounts[index].parent
        }
        return true
    }
}
