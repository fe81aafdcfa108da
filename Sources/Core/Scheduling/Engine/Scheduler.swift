// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Decides which jobs start where. A value: the same events in the same order give the same decisions, live, in a simulation and in
/// a forecast.
///
/// Whatever happens at one instant is told first, in the order: predictions outlived, ends, submissions; then ``pass(at:)`` decides.
package struct Scheduler: Sendable {
    /// Jobs that may start and do not, at which a pass with promises stops: what starts is near the front, and a pass shall not take long.
    private static let depth = 300

    package private(set) var policy: SchedulingPolicy
    package private(set) var machine: Machine
    private var windows: Windows
    package var accounts: Accounts
    private var queue = WaitingQueue()
    private var running: [Int: RunningJob] = [:]
    private var expectedEnds = SortedChunks<JobEnd>()
    private var latestEnds = SortedChunks<JobEnd>()
    private var outlook: Outlook
    private var reservations: Reservations?
    private var promises = Promises()
    /// Made in the last pass.
    package private(set) var newPromises: [(job: Int, start: Int)] = []
    /// Jobs that wait on though the last pass came after their promised starts.
    package private(set) var missedPromises: [Int] = []
    /// Jobs that wait or run for which not any slot will do.
    private var particular = 0

    package init(policy: SchedulingPolicy, machine: Machine, accounts: Accounts = Accounts()) {
        self.policy = policy
        self.machine = machine
        self.accounts = accounts
        windows = Windows(nodes: machine.nodes.count)
        outlook = Outlook(nodes: machine.nodes.count)
        if policy.backfill == .conservative { reservations = Reservations(machine, windows, isPool: machine.strandedNodes == 0) }
    }

    package var waiting: [Job] { queue.live }
    package var waitingCount: Int { queue.count }
    package var runningJobs: [RunningJob] { running.values.sorted { $0.job.id < $1.job.id } }
    package func runningJob(_ id: Int) -> RunningJob? { running[id] }

    /// In the order in which a pass at `now` would go through them.
    package func waiting(at now: Int) -> [Job] {
        var queue = queue
        queue.sort(by: policy, accounts, at: now)
        return queue.live
    }

    package mutating func demand(of request: ResourceRequest) -> DemandID {
        let known = machine.demandCount
        defer { if machine.demandCount != known { promises.follow(machine) } }
        return machine.demand(of: request)
    }

    // MARK: What happens

    /// - Parameter nodes: left out, if the others could do without them.
    package mutating func submit(_ job: Job, at now: Int, avoiding nodes: [Int] = []) {
        if machine.isEnough(job.ranks, job.demand, without: nodes) { windows.avoid(nodes, for: job.id) }
        queue.append(job)
        count(job, 1)
        if !isTooLarge(job) { accounts.wait(job) }
        if reservations.map({ $0.isPool != isPool }) ?? false { reserveAnew(at: now) }
        reservations?.add(job, at: now, machine, windows)
    }

    /// A job that waits is no longer wanted.
    package mutating func withdraw(_ id: Int) {
        guard let place = queue.place(of: id) else { return }
        if !isTooLarge(queue[place]) { accounts.leave(queue[place]) }
        count(queue[place], -1)
        windows.avoid([], for: id)
        queue.remove(at: place)
        promises.remove(id, machine)
        reservations?.withdraw(id, machine)
    }

    package mutating func end(_ id: Int, at now: Int) {
        guard let ended = running.removeValue(forKey: id) else { return }
        count(ended, -1)
        windows.avoid([], for: id)
        expectedEnds.remove(ended.expected)
        latestEnds.remove(ended.latest)
        machine.release(ended.shares, ended.job.demand)
        promises.end(ended, machine)
        accounts.end(ended, memoryPerRank: machine.memoryPerRank(ended.job.demand), at: now)
        reservations?.end(ended, at: now, machine)
    }

    /// The job runs longer than was expected of it.
    package mutating func outlives(_ id: Int, expected: Int) {
        guard var job = running[id] else { return }
        expectedEnds.remove(job.expected)
        job.job.expected = expected
        running[id] = job
        expectedEnds.insert(job.expected)
    }

    /// The jobs' limits have passed and they still run: they are given `seconds` more.
    package mutating func overrun(_ jobs: [Int], by seconds: Int, at now: Int) {
        for id in jobs {
            guard var job = running[id] else { continue }
            let limit = now - job.started + seconds
            promises.end(job, machine)
            expectedEnds.remove(job.expected)
            latestEnds.remove(job.latest)
            accounts.extend(job.job, by: limit - job.job.limit)
            job.job.limit = limit
            job.job.expected = limit
            running[id] = job
            expectedEnds.insert(job.expected)
            latestEnds.insert(job.latest)
            promises.begin(job, machine)
        }
        if !jobs.isEmpty { reserveAnew(at: now) }
    }

    /// Jobs whose expected time has passed, and those whose limit has.
    package func late(at now: Int) -> (outlived: [Int], overdue: [Int]) {
        func past(_ ends: SortedChunks<JobEnd>) -> [Int] {
            var jobs: [Int] = []
            for chunk in ends.chunks {
                for end in chunk {
                    if end.time > now { return jobs }
                    jobs.append(end.job)
                }
            }
            return jobs
        }
        return (past(expectedEnds), past(latestEnds))
    }

    /// Takes up a job that runs already.
    package mutating func resume(_ job: RunningJob, at now: Int) {
        machine.take(job.shares, job.job.demand)
        count(job, 1)
        record(job, at: now)
        reservations?.resume(job, machine)
    }

    package mutating func setUp(_ node: Int, _ up: Bool, at now: Int) {
        machine.setUp(node, up)
        if !up { promises.remove(on: node, machine) }
        promises.follow(machine)
        reserveAnew(at: now)
    }

    package mutating func setWindows(_ list: [Window], at now: Int) {
        let old = windows.all
        windows.replace(with: list.filter { $0.end > now })
        // More that is open breaks no promise.
        if !Set(windows.all).isSubset(of: old) { promises.removeAll() }
        reserveAnew(at: now)
    }

    /// More nodes, behind those that there are. Promises are made anew, as after every change of the machine.
    package mutating func add(_ nodes: [ClusterNode], at now: Int) {
        promises.removeAll()
        for job in queue.live where !isTooLarge(job) { accounts.leave(job) }
        machine = machine.emptied(adding: nodes)
        particular = 0
        for job in running.values {
            machine.take(job.shares, job.job.demand)
            count(job, 1)
        }
        for job in queue.live {
            count(job, 1)
            if !isTooLarge(job) { accounts.wait(job) }
        }
        outlook = Outlook(nodes: machine.nodes.count)
        windows.grow(to: machine.nodes.count)
        reserveAnew(at: now)
    }

    /// Nothing that is not over by then, by its limit, starts on the nodes.
    package mutating func close(_ nodes: [Int], from start: Int, at now: Int) {
        setWindows(windows.all + [Window(nodes: nodes, start: start, end: .max)], at: now)
    }

    /// Goes on by another policy.
    package mutating func adopt(_ other: SchedulingPolicy, at now: Int) {
        policy = other
        queue.restoreArrival()
        promises.removeAll()
        reservations = nil
        guard other.backfill == .conservative else { return }
        let old = queue.live.map { Reservations.Reservation(job: $0, start: nil, shares: []) }
        reservations = Reservations(machine, windows, isPool: isPool, running: runningJobs, old: old, at: now)
    }

    /// An order that changes with time stands for so many seconds at least.
    mutating func keepOrder(for interval: Int) { policy.orderInterval = max(policy.orderInterval, interval) }

    /// Any free slot does for any rank.
    private var isPool: Bool { particular == 0 && windows.isEmpty && machine.strandedNodes == 0 && machine.overfullNodes == 0 }

    private mutating func count(_ job: Job, _ sign: Int) {
        if !machine.isPlain(job.demand) || job.reservation != nil || windows.avoids(job.id) { particular += sign }
    }

    private mutating func count(_ job: RunningJob, _ sign: Int) {
        // A part of it runs where no node is any more: counted with the others, its end would free what there is not.
        if job.shares.reduce(0, { $0 + Int($1.ranks * $1.count) }) == job.job.ranks { count(job.job, sign) } else { particular += sign }
    }

    private mutating func reserveAnew(at now: Int) {
        guard let old = reservations?.all else { return }
        reservations = Reservations(machine, windows, isPool: isPool, running: runningJobs, old: old, at: now)
    }

    /// The next instant at which a pass may start something though nothing happens.
    package func nextWake(after now: Int) -> Int? {
        let window = queue.count > 0 ? windows.boundaries(after: now).first : nil
        return [window, reservations?.next(after: now), promises.all.first { $0.start > now }?.start].compactMap(\.self).min()
    }

    /// Takes up a promise that was made to a waiting job before, if it can still be kept.
    package mutating func promise(_ id: Int, at start: Int, now: Int) {
        guard case .promises = policy.backfill, let place = queue.place(of: id) else { return }
        if !promises.isPool { promises.countSlots(ends: latestEnds) }
        let job = queue[place]
        let start = max(start, now)
        guard mayStart(job, at: now), promises.earliestByCount(for: job, notBefore: start, ends: latestEnds, machine) == start else {
            return
        }
        promises.add(job, at: start, ends: latestEnds)
    }

    /// The latest start that the job was promised.
    package func promisedStart(of job: Int) -> Int? { promises.start(of: job) ?? reservations?.start(of: job) }

    // MARK: Deciding

    /// - Parameter most: whoever stores decisions a part at a time asks again at once, while it gets so many.
    /// - Returns: the jobs that start now, in the order in which they were chosen.
    package mutating func pass(at now: Int, startingAtMost most: Int = .max) -> [RunningJob] {
        newPromises.removeAll(keepingCapacity: true)
        missedPromises.removeAll(keepingCapacity: true)
        windows.forget(before: now)
        guard queue.count > 0 else { return [] }
        queue.compact()
        accounts.update(to: now)
        if reservations != nil { return reservedPass(at: now, most) }
        if case .promises(let slack) = policy.backfill { return promisedPass(slack: slack, at: now, most) }
        guard queue.leastRanks <= machine.freeSlots else { return [] }
        queue.sort(by: policy, accounts, at: now)
        var started: [RunningJob] = []
        guard let head = startFront(at: now, most, &started) else { return started }
        if case .easy(let shortestFirst) = policy.backfill, queue.count > 1 {
            backfill(behind: head, shortestFirst: shortestFirst, at: now, most, &started)
        }
        return started
    }

    /// Starts from the front while the first fits.
    /// - Returns: the place of the first that does not.
    private mutating func startFront(at now: Int, _ most: Int, _ started: inout [RunningJob]) -> Int? {
        var place = 0
        while started.count < most, let next = queue.next(from: place) {
            let job = queue[next]
            if mayStart(job, at: now) {
                guard let shares = machine.place(job.ranks, job.demand, within: windows.closed(to: job, at: now)) else { return next }
                start(next, shares, at: now, &started)
            }
            place = next + 1
        }
        return nil
    }

    private mutating func backfill(behind head: Int, shortestFirst: Bool, at now: Int, _ most: Int, _ started: inout [RunningJob]) {
        let first = queue[head]
        let isHard = policy.guardAge.map { now - first.submitted >= $0 } ?? false
        defer { outlook.clear() }
        if shortestFirst {
            var candidates: [(expected: Int, place: Int)] = []
            var place = head + 1
            while let next = queue.next(from: place, ranks: machine.freeSlots) {
                candidates.append((queue[next].expected, next))
                place = next + 1
            }
            candidates.sort { ($0.expected, $0.place) < ($1.expected, $1.place) }
            for candidate in candidates where machine.freeSlots > 0 && started.count < most {
                consider(candidate.place, first: first, isHard: isHard, at: now, &started)
            }
        } else {
            var place = head + 1
            while machine.freeSlots > 0, started.count < most, let next = queue.next(from: place, ranks: machine.freeSlots) {
                consider(next, first: first, isHard: isHard, at: now, &started)
                place = next + 1
            }
        }
    }

    /// Starts the job at a place of the queue if that does not delay the first.
    private mutating func consider(_ place: Int, first: Job, isHard: Bool, at now: Int, _ started: inout [RunningJob]) {
        let job = queue[place]
        guard hold(job) == nil, machine.fit(job.demand) >= job.ranks else { return }
        if outlook.job == nil {
            outlook.look(
                for: first, isCounted: isPool, from: now, machine, ends: isHard ? latestEnds : expectedEnds, running: running,
                instants: windows.boundaries(after: now)
            ) { instant, _ in windows.closed(to: first, at: instant) }
        }
        let isShort = outlook.time == .max || now + (isHard ? job.limit : job.expected) <= outlook.time
        if !isShort, job.ranks > outlook.surplus, outlook.losesOneForEach(of: job, machine) { return }
        if !isShort, outlook.time != .max, hold(first, beside: job) != nil { return }
        guard let shares = machine.place(job.ranks, job.demand, within: windows.closed(to: job, at: now)) else { return }
        if isShort {
            outlook.add(shares, of: job, machine)
        } else if !outlook.reserve(shares, of: job, machine) {
            machine.release(shares, job.demand)
            return
        }
        start(place, shares, at: now, &started)
    }

    // MARK: With promises

    private mutating func promisedPass(slack: Int, at now: Int, _ most: Int) -> [RunningJob] {
        if promises.isPool != isPool {
            if promises.isPool {
                promises.givePlaces(running: runningJobs, machine, windows)
            } else {
                promises.countSlots(ends: latestEnds)
            }
        }
        var started: [RunningJob] = []
        let due = promises.all.filter { $0.start <= now }
        // Whoever may not use it at its time loses it; and a start that was missed is owed no more: two of them could wait for each other.
        for promise in due where promise.start < now || !mayStart(promise.job, at: now) { promises.remove(promise.job.id, machine) }
        for promise in due where started.count < most {
            guard let place = queue.place(of: promise.job.id), mayStart(promise.job, at: now) else { continue }
            if promises.isPool || promise.start < now {
                _ = startIfPromisesAllow(place, at: now, &started)
            } else if machine.take(ifFree: promise.shares, promise.job.demand) {
                start(place, promise.shares, at: now, &started)
            }
        }
        for promise in due where promise.start < now && running[promise.job.id] == nil { missedPromises.append(promise.job.id) }
        guard queue.leastRanks <= machine.freeSlots else { return started }
        queue.sort(by: policy, accounts, at: now)
        var hasHead = false
        var (place, considered) = (0, 0)
        while considered < Self.depth, started.count < most,
            let next = hasHead ? queue.next(from: place, ranks: machine.freeSlots) : queue.next(from: place)
        {
            place = next + 1
            let job = queue[next]
            guard mayStart(job, at: now), !startIfPromisesAllow(next, at: now, &started) else { continue }
            considered += 1
            guard !hasHead else { continue }
            hasHead = true
            if promises.start(of: job.id) == nil { promise(job, slack: slack, at: now) }
        }
        return started
    }

    private mutating func startIfPromisesAllow(_ place: Int, at now: Int, _ started: inout [RunningJob]) -> Bool {
        let job = queue[place]
        guard machine.fit(job.demand) >= job.ranks else { return false }
        let end = now.later(by: job.limit)
        if accounts.hasQuotas {
            for promise in promises.all where promise.start < end && promise.job.id != job.id {
                if hold(promise.job) == nil, hold(promise.job, beside: job) != nil { return false }
            }
        }
        let closed = windows.closed(to: job, at: now)
        var shares: [Share]?
        if !promises.isPool {
            shares = promises.place(job, until: end, in: &machine, within: closed)
        } else if job.ranks <= promises.mostRanks(for: job, until: end, machine) {
            shares = machine.place(job.ranks, job.demand, within: closed)
        }
        guard let shares else { return false }
        start(place, shares, at: now, &started)
        return true
    }

    /// Promises the earliest start that would break no promise if all that runs ended by its limit only, and some more.
    private mutating func promise(_ job: Job, slack: Int, at now: Int) {
        if promises.isPool {
            func earliest(notBefore time: Int) -> Int? { promises.earliestByCount(for: job, notBefore: time, ends: latestEnds, machine) }
            guard let first = earliest(notBefore: now), let start = earliest(notBefore: first + min(first - now, slack)) else { return }
            promises.add(job, at: start, ends: latestEnds)
            newPromises.append((job.id, start))
        } else {
            defer { outlook.clear() }
            look(for: job, notBefore: now, from: now)
            let later = outlook.time.later(by: min(outlook.time - now, slack))
            if later != outlook.time, outlook.time != .max { look(for: job, notBefore: later, from: now) }
            guard outlook.time != .max, let shares = outlook.shares(machine) else { return }
            promises.add(job, at: outlook.time, shares: shares, machine) { outlook.room($0, machine) }
            newPromises.append((job.id, outlook.time))
        }
    }

    private mutating func look(for job: Job, notBefore time: Int, from now: Int) {
        let instants = (windows.boundaries(after: now) + promises.all.map(\.end) + [time]).sorted()
        outlook.look(
            for: job, from: now, notBefore: time, machine, ends: latestEnds, running: running, instants: instants
        ) { instant, room in
            Ceilings.lower(promises.ceilings(for: job, at: instant, machine, room: room), windows.closed(to: job, at: instant))
        }
    }

    // MARK: With reservations for all

    private mutating func reservedPass(at now: Int, _ most: Int) -> [RunningJob] {
        var started: [RunningJob] = []
        let jobs = accounts.hasQuotas ? (reservations?.all ?? []).map(\.job) : []
        let held = Set(jobs.filter { hold($0) != nil }.map(\.id))
        for reservation in reservations?.due(at: now, machine, windows, isHeld: { held.contains($0.id) }) ?? [] {
            let job = reservation.job
            guard started.count < most, let place = queue.place(of: job.id), hold(job) == nil else { continue }
            if reservation.shares.isEmpty {
                guard let shares = machine.place(job.ranks, job.demand) else { continue }
                start(place, shares, at: now, &started)
            } else if machine.take(ifFree: reservation.shares, job.demand) {
                start(place, reservation.shares, at: now, &started)
            }
        }
        for job in started { reservations?.start(job, machine) }
        return started
    }

    func hold(_ job: Job, beside other: Job? = nil) -> Accounts.Hold? {
        accounts.hold(
            job, memoryPerRank: machine.memoryPerRank(job.demand), beside: other.map { ($0, machine.memoryPerRank($0.demand)) })
    }

    mutating func isTooLarge(_ job: Job) -> Bool { machine.isTooLarge(job.ranks, job.demand) }

    func isWithoutReservation(_ job: Job, at now: Int) -> Bool { windows.isTooLate(for: job, at: now) }

    func closed(to job: Job, at now: Int) -> Ceilings? { windows.closed(to: job, at: now) }

    /// Neither its accounts nor the size of the machine nor its reservation being over keep it back: only room, and those before it.
    private mutating func mayStart(_ job: Job, at now: Int) -> Bool {
        hold(job) == nil && !isTooLarge(job) && !isWithoutReservation(job, at: now)
    }

    /// `shares` are taken already.
    private mutating func start(_ place: Int, _ shares: [Share], at now: Int, _ started: inout [RunningJob]) {
        let job = RunningJob(job: queue[place], started: now, shares: shares)
        queue.remove(at: place)
        promises.remove(job.job.id, machine)
        accounts.leave(job.job)
        record(job, at: now)
        started.append(job)
    }

    private mutating func record(_ job: RunningJob, at now: Int) {
        running[job.job.id] = job
        expectedEnds.insert(job.expected)
        latestEnds.insert(job.latest)
        promises.begin(job, machine)
        accounts.start(job, memoryPerRank: machine.memoryPerRank(job.job.demand), at: now)
    }
}
