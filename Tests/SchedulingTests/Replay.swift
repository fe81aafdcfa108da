// SPDX-License-Identifier: Apache-2.0

import Scheduling
import WorkflowModel

/// Plays jobs and changes of the cluster to a scheduler, at each instant in the order that it asks for.
struct Replay {
    struct Entry: Sendable {
        var submitted: Int
        var runTime: Int
        var limit: Int
        var expected: Int
        var request: ResourceRequest
        var account: Int
        var weight: Double
        var reservation: Int?
        /// What is expected of it each time that it has outlived what was; then its limit is.
        var corrections: [Int] = []

        var ranks: Int { request.ranks }

        init(
            _ submitted: Int, _ runTime: Int, ranks: Int, limit: Int? = nil, expected: Int? = nil, memory: Int = 0,
            needs: RunNeeds = RunNeeds(),
            blocks: [RankBlock] = [], account: Int = 0, weight: Double = 1, reservation: Int? = nil, corrections: [Int] = []
        ) {
            self.submitted = submitted
            self.runTime = runTime
            self.limit = limit ?? runTime
            self.expected = expected ?? limit ?? runTime
            request = ResourceRequest(ranks: ranks, memoryPerRank: memory, needs: needs, blocks: blocks)
            self.account = account
            self.weight = weight
            self.reservation = reservation
            self.corrections = corrections
        }
    }

    struct Change: Sendable {
        enum Kind: Sendable {
            case up(node: Int, Bool)
            case windows([Window])
            case withdraw(Int)
        }

        var time: Int
        var kind: Kind

        init(_ time: Int, _ kind: Kind) {
            self.time = time
            self.kind = kind
        }
    }

    /// Seconds by which a job that goes on beyond its limit is planned further.
    static let overrun = 7

    /// What happened at one instant.
    struct Instant {
        var now: Int
        var ended: [RunningJob] = []
        var changes: [Change] = []
        var started: [RunningJob] = []
    }

    private struct Event {
        var time: Int
        var id: Int
        var kind: Kind

        enum Kind { case outlived, end, overdue }
    }

    let entries: [Entry]
    private let nodes: [ClusterNode]
    private let changes: [Change]
    private(set) var scheduler: Scheduler
    private(set) var running: [Int: RunningJob] = [:]
    private(set) var starts: [Int?]
    private(set) var shares: [[Share]]
    private var demands: [DemandID] = []
    private var corrected: [Int: Int] = [:]
    private var events: [Event] = []
    private var submitted = 0
    private var changed = 0
    private var wake: Int?
    private var windows: [Window] = []
    private var isUp: [Bool]
    /// Ends of one instant are told in the other direction.
    var endsAreReversed = false

    init(
        _ entries: [Entry], _ policy: SchedulingPolicy, nodes: [ClusterNode], accounts: Accounts = Accounts(), changes: [Change] = []
    ) {
        self.entries = entries
        self.nodes = nodes
        self.changes = changes.sorted { $0.time < $1.time }
        scheduler = Scheduler(policy: policy, machine: Machine(nodes), accounts: accounts)
        starts = entries.map { _ in nil }
        shares = entries.map { _ in [] }
        isUp = nodes.map { $0.state == .up }
        demands = entries.map { scheduler.demand(of: $0.request) }
    }

    /// Plays all.
    /// - Returns: when each job has started.
    static func starts(
        _ entries: [Entry], _ policy: SchedulingPolicy, nodes: [ClusterNode], accounts: Accounts = Accounts(), changes: [Change] = []
    ) -> [Int?] {
        var replay = Replay(entries, policy, nodes: nodes, accounts: accounts, changes: changes)
        replay.finish()
        return replay.starts
    }

    mutating func finish() { while step() != nil {} }

    func job(_ id: Int) -> Job {
        let entry = entries[id]
        return Job(
            id: id, submitted: entry.submitted, ranks: entry.ranks, demand: demands[id], limit: entry.limit, expected: entry.expected,
            account: entry.account, weight: entry.weight, reservation: entry.reservation)
    }

    mutating func step() -> Instant? {
        var now = wake ?? .max
        if submitted < entries.count { now = min(now, entries[submitted].submitted) }
        if changed < changes.count { now = min(now, changes[changed].time) }
        for event in events { now = min(now, event.time) }
        guard now < .max else { return nil }
        var instant = Instant(now: now)
        var ends: [Int] = []
        var overdue: [Int] = []
        for event in events where event.time == now {
            switch event.kind {
            case .outlived: outlive(event.id)
            case .end: ends.append(event.id)
            case .overdue: overdue.append(event.id)
            }
        }
        events.removeAll { $0.time == now }
        ends.sort()
        if endsAreReversed { ends.reverse() }
        for id in ends {
            scheduler.end(id, at: now)
            if let job = running.removeValue(forKey: id) { instant.ended.append(job) }
        }
        for id in overdue { events.append(Event(time: now + Self.overrun, id: id, kind: .overdue)) }
        scheduler.overrun(overdue.filter { running[$0] != nil }.sorted(), by: Self.overrun, at: now)
        events.removeAll { $0.kind == .overdue && running[$0.id] == nil }
        while changed < changes.count, changes[changed].time == now {
            make(changes[changed].kind, at: now)
            instant.changes.append(changes[changed])
            changed += 1
        }
        while submitted < entries.count, entries[submitted].submitted == now {
            scheduler.submit(job(submitted), at: now)
            submitted += 1
        }
        instant.started = scheduler.pass(at: now)
        for job in instant.started {
            let id = job.job.id
            starts[id] = now
            shares[id] = job.shares
            running[id] = job
            events.append(Event(time: now + entries[id].runTime, id: id, kind: .end))
            if job.job.expected < entries[id].runTime { events.append(Event(time: job.expectedEnd, id: id, kind: .outlived)) }
            if job.job.limit < entries[id].runTime { events.append(Event(time: job.latestEnd, id: id, kind: .overdue)) }
        }
        wake = scheduler.nextWake(after: now)
        return instant
    }

    private mutating func outlive(_ id: Int) {
        guard var job = running[id], job.job.expected < entries[id].limit else { return }
        let count = corrected[id, default: 0]
        corrected[id] = count + 1
        let next = count < entries[id].corrections.count ? entries[id].corrections[count] : entries[id].limit
        job.job.expected = max(job.job.expected + 1, next)
        scheduler.outlives(id, expected: job.job.expected)
        running[id] = job
        if job.job.expected < entries[id].runTime { events.append(Event(time: job.expectedEnd, id: id, kind: .outlived)) }
    }

    private mutating func make(_ change: Change.Kind, at now: Int) {
        switch change {
        case .up(let node, let up):
            isUp[node] = up
            scheduler.setUp(node, up, at: now)
        case .windows(let list):
            windows = list
            scheduler.setWindows(list, at: now)
        case .withdraw(let id): scheduler.withdraw(id)
        }
    }

    /// Goes on with a scheduler that knows only how things stand, as after a restart.
    mutating func rebuild(at now: Int) {
        let old = scheduler
        var accounts = old.accounts.all.map { Accounts.Account(parent: $0.parent, quota: $0.quota, committed: $0.committed) }
        for job in running.values {
            var account: Int? = job.job.account
            while let index = account {
                accounts[index].committedBefore(job)
                account = accounts[index].parent
            }
        }
        scheduler = Scheduler(policy: old.policy, machine: Machine(nodes), accounts: Accounts(accounts, halfLife: 1000, at: 0))
        demands = entries.map { scheduler.demand(of: $0.request) }
        for (node, up) in isUp.enumerated() { scheduler.setUp(node, up, at: now) }
        scheduler.setWindows(windows, at: now)
        for id in running.keys.sorted() { if let job = running[id] { scheduler.resume(job, at: now) } }
        for job in old.waiting.sorted(by: { $0.id < $1.id }) { scheduler.submit(job, at: now) }
        for job in old.waiting { if let start = old.promisedStart(of: job.id) { scheduler.promise(job.id, at: start, now: now) } }
    }
}

extension Accounts.Account {
    /// Leaves out what is counted again when the job is resumed.
    fileprivate mutating func committedBefore(_ job: RunningJob) {
        self = Accounts.Account(parent: parent, share: share, quota: quota, committed: committed - job.job.ranks * job.job.limit)
    }
}

extension [Share] {
    var nodes: Set<Int> { Set(flatMap(\.nodes)) }
    /// The node of each rank.
    var nodeOfRank: [Int] { flatMap { share in share.nodes.flatMap { [Int](repeating: $0, count: Int(share.ranks)) } } }
}

/// Nodes that do not differ.
func equalNodes(_ count: Int, slots: Int = 1, memory: Int = 0, labels: Set<String> = []) -> [ClusterNode] {
    (0..<count).map { ClusterNode(name: "n\($0)", cores: slots, memory: memory, slots: slots, labels: labels) }
}

/// The same numbers from the same seed, everywhere (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: Int) { state = UInt64(truncatingIfNeeded: seed) }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// From 0 to `limit` - 1.
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

    mutating func chance(_ part: Int, in all: Int) -> Bool { below(all) < part }
}
