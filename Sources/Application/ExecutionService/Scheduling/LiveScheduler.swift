// SPDX-License-Identifier: Apache-2.0

import Foundation
import Prediction
import Scheduling
import Storage
import WorkflowModel

/// The scheduler of the server that schedules, in memory: what the database and the cluster's engine say, brought up to date before
/// every pass. It can be made anew from them at any time.
struct LiveScheduler {
    /// Ended attempts from which run times are learned at the start.
    static let historyDepth = 20_000
    static let pageSize = 20_000
    /// Of one pass, whose decisions are one transaction.
    static let mostStarts = 1000
    /// Of waiting runs, up to which starts are forecast: a forecast runs the scheduler forward over all of them.
    private static let mostForecast = 3000

    /// Of needs of nodes beyond those of its first queue; each makes every start a little slower.
    private static let mostDemands = 1000

    private struct Known {
        /// The place of the attempt, so that every server has the same number for it.
        var job: Int
        var attempt: Int
        var traits: JobTraits
        /// That it was planned by.
        var limit: Int
        var prediction: RunTimePrediction
    }

    private let configuration: SchedulingConfiguration
    /// As the cluster's engine tells them.
    private var nodes: [ClusterNode]
    private var scheduler: Scheduler
    private var predictor: (any RunTimePredictor)?
    private var forecaster: WaitForecaster
    /// That hold resources no longer; whether they ended by themselves, the database knows.
    private(set) var ended: [Ended] = []
    private var demandsAtFirst = 0
    private var time: Int
    /// Queued since the last pass.
    private var arrived: [Int] = []
    private let windows: [ClusterWindow]
    private let accounts: ClusterAccounts
    private var orders: [NodeOrder]
    private var known: [RunID: Known] = [:]
    private var runs: [Int: RunID] = [:]
    private var users: [String: Int] = [:]
    /// The latest starts that are stored, of waiting runs.
    private var promised: [RunID: Int] = [:]
    /// Of the last run that was queued.
    private(set) var place: Int64 = 0

    init(
        _ configuration: SchedulingConfiguration, nodes: [ClusterNode], orders: ClusterOrders,
        usage: [String: (total: Double, decayed: Double)], history: [EndedAttempt], active: [ActiveAttempt], queued: [QueuedRun],
        calibration: WaitCalibration = WaitCalibration(), at now: Int
    ) {
        self.configuration = configuration
        self.nodes = nodes
        time = now
        self.orders = orders.nodes
        windows = orders.windows
        accounts = ClusterAccounts(orders.accounts, usage: usage, halfLife: configuration.halfLife, at: now)
        predictor = configuration.policy.source.predictor
        forecaster = WaitForecaster(calibration: calibration)
        scheduler = Scheduler(policy: configuration.policy.policy, machine: Machine(nodes), accounts: accounts.accounts)
        for attempt in history {
            let (traits, prediction, limit) = expect(attempt.resources, owner: attempt.owner, graph: attempt.graph)
            learn(traits, limit: limit, runTime: attempt.runTime(upTo: traits.limit), predicted: prediction)
        }
        for (node, state) in zip(self.nodes.indices, states()) { scheduler.setUp(node, state, at: now) }
        scheduler.setWindows(schedulerWindows(), at: now)
        for attempt in active.sorted(by: { $0.place < $1.place }) { resume(attempt, at: now) }
        for run in queued { add(run, at: now) }
        for run in queued { promise(run, at: now) }
        forecaster.goOn(waiting: Set(scheduler.waiting.map(\.id)), running: scheduler.runningJobs)
        demandsAtFirst = scheduler.machine.demandCount
    }

    /// From what the database says.
    /// - Parameter calibration: `nil`: the one that was kept.
    init(
        _ storage: Storage, _ configuration: SchedulingConfiguration, nodes: [ClusterNode], active: [ActiveAttempt],
        history: [EndedAttempt], calibration: WaitCalibration? = nil, at time: Date
    ) async throws {
        let known = if let calibration { calibration } else { try await Self.kept(storage, configuration) }
        let orders = try await storage.orders()
        let usage = try await storage.usage(halfLife: configuration.halfLife, at: time, without: active.map(\.place))
        var queued: [QueuedRun] = []
        while true {
            let page = try await storage.queuedRuns(after: queued.last?.place ?? 0, limit: Self.pageSize)
            queued += page
            if page.count < Self.pageSize { break }
        }
        self.init(
            configuration, nodes: nodes, orders: orders, usage: usage, history: history, active: active, queued: queued,
            calibration: known ?? WaitCalibration(),
            at: Int(time.timeIntervalSince1970))
    }

    /// One that cannot be read was kept by another release: it is learned anew.
    private static func kept(_ storage: Storage, _ configuration: SchedulingConfiguration) async throws -> WaitCalibration? {
        do {
            return try await storage.waitCalibration(of: configuration.policy.rawValue, as: WaitCalibration.self)
        } catch is DecodingError {
            return nil
        }
    }

    /// How far its forecasts of waits are off.
    var calibration: WaitCalibration { forecaster.calibration }

    // MARK: Following

    /// - Returns: false when the cluster is another one than before, so that the scheduler must be made anew.
    mutating func observe(_ current: [ClusterNode], at now: Int) -> Bool {
        time = now
        guard scheduler.machine.demandCount - demandsAtFirst <= Self.mostDemands else { return false }
        guard current.count == nodes.count, zip(current, nodes).allSatisfy({ $0.name == $1.name && $0.offer == $1.offer }) else {
            return false
        }
        let before = states()
        nodes = current
        for (node, (old, new)) in zip(before, states()).enumerated() where old != new { scheduler.setUp(node, new, at: now) }
        return true
    }

    /// Attempts that hold resources now. Those that no longer do are ``ended``.
    mutating func observe(_ active: [ActiveAttempt], at now: Int) {
        let current = Set(active.map { RunAttempt(run: $0.run, number: $0.attempt) })
        for (run, value) in known where scheduler.runningJob(value.job) != nil {
            guard !current.contains(RunAttempt(run: run, number: value.attempt)), let job = scheduler.runningJob(value.job) else {
                continue
            }
            scheduler.end(value.job, at: now)
            ended.append(
                Ended(
                    attempt: RunAttempt(run: run, number: value.attempt), traits: value.traits, limit: value.limit,
                    runTime: max(1, min(now - job.started, value.traits.limit)), prediction: value.prediction))
            forget(run)
        }
        for attempt in active where known[attempt.run]?.attempt != attempt.attempt { resume(attempt, at: now) }
        let late = scheduler.late(at: now)
        for job in late.outlived { if let limit = scheduler.runningJob(job)?.job.limit { scheduler.outlives(job, expected: limit) } }
        scheduler.overrun(late.overdue, by: PlannedLimit.overrun, at: now)
    }

    struct Ended {
        var attempt: RunAttempt
        fileprivate var traits: JobTraits
        fileprivate var limit: Int
        fileprivate var runTime: Int
        fileprivate var prediction: RunTimePrediction
    }

    /// Learns the run times of those of ``ended`` that ended by themselves: one that was cancelled says nothing of others.
    mutating func learn(_ byThemselves: Set<RunAttempt>) {
        for end in ended where byThemselves.contains(end.attempt) {
            learn(end.traits, limit: end.limit, runTime: end.runTime, predicted: end.prediction)
        }
        ended = []
    }

    mutating func add(_ run: QueuedRun, at now: Int) {
        place = max(place, run.place)
        guard known[run.id].map({ $0.attempt != run.attempt }) ?? true else { return }
        leave(run.id, at: now)
        // What is known of its graph and input tells more than what its user ran before.
        var (job, traits, prediction) = plan(
            Int(run.place), submitted: run.queuedAt, run.resources, owner: run.owner, graph: run.graph, expected: run.expectedSeconds)
        job.reservation = reservation(run.resources.needs.reservation, owner: run.owner)
        remember(run.id, attempt: run.attempt, as: job, traits, prediction)
        promised[run.id] = run.promisedStart.map { Int($0.timeIntervalSince1970) }
        arrived.append(job.id)
        scheduler.submit(job, at: now, avoiding: run.avoided.compactMap { scheduler.machine.index(of: $0) })
    }

    private mutating func promise(_ run: QueuedRun, at now: Int) {
        guard let start = promised[run.id], let job = known[run.id]?.job else { return }
        scheduler.promise(job, at: start, now: now)
    }

    /// Runs that wait here.
    var waiting: Set<RunID> { Set(known.lazy.filter { scheduler.runningJob($0.value.job) == nil }.map(\.key)) }

    var waitingCount: Int { scheduler.waitingCount }

    /// The run waits no longer.
    mutating func withdraw(_ run: RunID) {
        guard let job = known[run]?.job, scheduler.runningJob(job) == nil else { return }
        scheduler.withdraw(job)
        forecaster.withdraw(job)
        forget(run)
    }

    // MARK: Deciding

    /// - Returns: what is to be stored.
    mutating func pass(at now: Int, folder: (RunID, Int) -> String) -> SchedulerSession.Decisions {
        let started = scheduler.pass(at: now, startingAtMost: Self.mostStarts)
        forecaster.begin(started)
        let waits = forecastArrived(at: now)
        let starts = started.compactMap { job -> SchedulerSession.Start? in
            guard let run = runs[job.job.id], let attempt = known[run]?.attempt else { return nil }
            let shares = job.shares.flatMap { share in
                share.nodes.map { NodeShare(node: nodes[$0].name, ranks: Int(share.ranks)) }
            }
            return SchedulerSession.Start(run: run, attempt: attempt, folder: folder(run, attempt), nodes: shares)
        }
        let missed = scheduler.missedPromises.compactMap { runs[$0] }
        return SchedulerSession.Decisions(starts: starts, promises: changedPromises(), missed: Set(missed), waits: waits)
    }

    /// Promises that were made or lost since the last pass.
    private mutating func changedPromises() -> [RunID: Date?] {
        var changes: [RunID: Date?] = [:]
        for run in Set(promised.keys).union(scheduler.newPromises.compactMap { runs[$0.job] }) {
            guard let job = known[run]?.job, scheduler.runningJob(job) == nil else {
                promised[run] = nil
                continue
            }
            let start = scheduler.promisedStart(of: job)
            guard start != promised[run] else { continue }
            promised[run] = start
            changes.updateValue(start.map { Date(timeIntervalSince1970: Double($0)) }, forKey: run)
        }
        return changes
    }

    /// The waits, from submission on, of what was queued since the last pass and has not started.
    private mutating func forecastArrived(at now: Int) -> [RunID: Prediction] {
        let new = arrived.filter { runs[$0] != nil && scheduler.runningJob($0) == nil && calibration.latestStart(of: $0) == nil }
        arrived = []
        guard !isTooLong else { return [:] }
        let forecasts = forecaster.forecast(new, scheduler, at: now)
        var waits: [RunID: Prediction] = [:]
        for job in scheduler.waiting {
            guard let forecast = forecasts[job.id], let run = runs[job.id] else { continue }
            // Those that a server finds waiting have waited already.
            let waited = Double(max(0, now - job.submitted))
            waits[run] = Prediction(
                .wait, p50: waited + Double(forecast.p50), p90: nil, p95: waited + Double(max(forecast.p50, forecast.p95)), basis: .queue,
                model: configuration.policy.rawValue, runs: [])
        }
        return waits
    }

    /// The run was cancelled before its start was stored.
    mutating func revoke(_ run: RunID, at now: Int) {
        guard let job = known[run]?.job else { return }
        scheduler.end(job, at: now)
        forget(run)
    }

    /// Why runs wait, of the first so many in the order in which they would start.
    mutating func pending(limit: Int, at now: Int) -> [(RunID, Pending)] {
        let words = WaitWords(runs: runs, accounts: accounts)
        let isUnknown = nodes.contains { $0.state == .down && $0.slots == 0 }
        var starts: [Int: ExpectedStart] = [:]
        if !isTooLong {
            for start in forecaster.queue(scheduler, at: now) { starts[start.job.id] = start }
        }
        return scheduler.reasons(limit: limit, at: now).enumerated().compactMap { index, entry in
            guard let run = runs[entry.job.id] else { return nil }
            let start = starts[entry.job.id]
            let expected = start?.expected.map { Date(timeIntervalSince1970: Double($0)) }
            // A bound that is over says nothing any more.
            let latest = start?.p95.flatMap { $0 > max(now, start?.expected ?? 0) ? Date(timeIntervalSince1970: Double($0)) : nil }
            var reason = words.sentence(entry.reason)
            if isUnknown, case .neverFits = entry.reason { reason = "waits for nodes that have not answered yet" }
            return (run, Pending(reason: reason, position: index + 1, expectedStart: expected, latestStart: latest))
        }
    }

    // MARK: Questions

    /// Starts what a pass would start now. What follows from it goes nowhere: for a scheduler that was made to be asked.
    mutating func settle(_ active: [ActiveAttempt], at now: Int) {
        observe(active, at: now)
        forecaster.begin(scheduler.pass(at: now))
    }

    /// So many wait that a forecast takes long.
    var isTooLong: Bool { scheduler.waitingCount > Self.mostForecast }

    /// The wait of a run that is not submitted, or why it never starts.
    /// - Parameter expected: seconds that it is known to run; `nil`: what the predictor says.
    mutating func wait(
        of resources: ResourceRequest, owner: String, expected: Int? = nil, at now: Int
    ) -> (forecast: WaitForecast?, why: String?) {
        let submitted = Date(timeIntervalSince1970: Double(now))
        var job = plan(.max, submitted: submitted, resources, owner: owner, graph: -1, expected: expected).job
        job.reservation = reservation(resources.needs.reservation, owner: owner)
        if let forecast = forecaster.forecast(ifSubmitted: job, scheduler, at: now) { return (forecast, nil) }
        var scheduler = scheduler
        scheduler.submit(job, at: now)
        _ = scheduler.pass(at: now)
        let reason = scheduler.reasons(limit: .max, at: now).first { $0.job.id == job.id }?.reason
        return (nil, reason.map { WaitWords(runs: runs, accounts: accounts).sentence($0) })
    }

    /// Futures made of what was submitted before.
    mutating func whatIf(_ history: [EndedAttempt], horizon: Int, futures: Int, at now: Int, isOver: @escaping @Sendable () -> Bool)
        -> WhatIf
    {
        let past = history.sorted { $0.queuedAt < $1.queuedAt }.map { attempt in
            var resources = attempt.resources
            resources.memoryPerRank = resources.memoryPerRank.roundedToSixteenth
            var job = plan(0, submitted: attempt.queuedAt, resources, owner: attempt.owner, graph: attempt.graph).job
            let runTime = attempt.runTime(upTo: configuration.limit(of: attempt.resources))
            job.limit = max(job.limit, runTime)
            return PastJob(job, runTime: runTime)
        }
        return WhatIf(
            scheduler, at: now, past: past, histories: forecaster.histories, horizon: horizon, futures: futures, isOver: isOver)
    }

    /// The nodes like one, in the order in which they may be drained.
    func nodesToDrain(like node: ClusterNode) -> [Int] { scheduler.nodesToDrain(like: node) }

    func index(of node: String) -> Int? { scheduler.machine.index(of: node) }

    func name(ofNode index: Int) -> String { nodes[index].name }

    // MARK: Parts

    /// The run waits or runs no longer as it did.
    private mutating func leave(_ run: RunID, at now: Int) {
        guard let job = known[run]?.job else { return }
        guard scheduler.runningJob(job) != nil else { return withdraw(run) }
        scheduler.end(job, at: now)
        forget(run)
    }

    private mutating func resume(_ attempt: ActiveAttempt, at now: Int) {
        leave(attempt.run, at: now)
        place = max(place, attempt.place)
        let resources = attempt.resources
        let started = Int(attempt.startedAt.timeIntervalSince1970)
        // Attempts of before nodes were recorded ran on the only one there was.
        let shares = attempt.nodes ?? nodes.prefix(1).map { NodeShare(node: $0.name, ranks: resources.ranks) }
        let (job, traits, prediction) = plan(
            Int(attempt.place), submitted: attempt.startedAt, resources, owner: attempt.owner, graph: attempt.graph)
        remember(attempt.run, attempt: attempt.attempt, as: job, traits, prediction)
        scheduler.resume(
            RunningJob(
                job: job, started: started,
                shares: shares.compactMap { share in
                    scheduler.machine.index(of: share.node).map { Share(node: $0, ranks: share.ranks) }
                }), at: now)
    }

    /// - Parameter limit: that it was planned by, as those will be that forecasts are of. It may have run beyond that.
    private mutating func learn(_ traits: JobTraits, limit: Int, runTime: Int, predicted: RunTimePrediction) {
        predictor?.learn(traits, runTime: runTime, predicted: predicted)
        forecaster.learn(user: traits.user, limit: max(limit, runTime), ranks: traits.ranks, runTime: runTime)
    }

    private mutating func remember(_ run: RunID, attempt: Int, as job: Job, _ traits: JobTraits, _ prediction: RunTimePrediction) {
        known[run] = Known(job: job.id, attempt: attempt, traits: traits, limit: job.limit, prediction: prediction)
        runs[job.id] = run
    }

    private mutating func forget(_ run: RunID) {
        promised[run] = nil
        if let old = known.removeValue(forKey: run) { runs[old.job] = nil }
    }

    private mutating func predict(_ traits: JobTraits) -> RunTimePrediction {
        predictor?.predict(traits) ?? RunTimePrediction(traits.limit, limit: traits.limit)
    }

    /// Seconds by which a run is planned. Where windows are to be kept empty, nothing shorter than the limit is safe.
    private func plannedLimit(_ traits: JobTraits, _ prediction: RunTimePrediction, isGiven: Bool) -> Int {
        func isToCome(_ end: Date?) -> Bool { end.map { Int($0.timeIntervalSince1970) > time } ?? false }
        guard !isGiven, !windows.contains(where: { isToCome($0.end) }), !orders.contains(where: { isToCome($0.by) }) else {
            return traits.limit
        }
        return PlannedLimit.seconds(prediction, assumed: traits.limit)
    }

    /// A job as it is planned, and what it is planned by.
    /// - Parameter expected: seconds; `nil`: what the predictor says.
    private mutating func plan(
        _ id: Int, submitted: Date, _ resources: ResourceRequest, owner: String, graph: Int64, expected: Int? = nil
    ) -> (job: Job, traits: JobTraits, prediction: RunTimePrediction) {
        let (traits, prediction, limit) = expect(resources, owner: owner, graph: graph)
        let job = Job(
            id: id, submitted: Int(submitted.timeIntervalSince1970), ranks: resources.ranks, demand: scheduler.demand(of: resources),
            limit: limit, expected: min(limit, expected.map { max(1, $0) } ?? prediction.expected), account: accounts.index(of: owner),
            weight: resources.needs.weight, user: traits.user)
        return (job, traits, prediction)
    }

    private mutating func expect(
        _ resources: ResourceRequest, owner: String, graph: Int64
    ) -> (traits: JobTraits, prediction: RunTimePrediction, limit: Int) {
        let user = users[owner] ?? users.count
        users[owner] = user
        let traits = JobTraits(user: user, application: Int(graph), ranks: resources.ranks, limit: configuration.limit(of: resources))
        let prediction = predict(traits)
        return (traits, prediction, plannedLimit(traits, prediction, isGiven: resources.needs.timeLimit != nil))
    }

    /// Whether each node takes new ranks.
    private func states() -> [Bool] {
        let closed = Set(orders.filter { $0.kind == .cordon || $0.by == nil }.map(\.node))
        return nodes.map { $0.state == .up && !closed.contains($0.name) }
    }

    private func schedulerWindows() -> [Window] {
        let drains = orders.compactMap { order -> Window? in
            guard order.kind == .drain, let by = order.by, let node = scheduler.machine.index(of: order.node) else { return nil }
            return Window(nodes: [node], start: Int(by.timeIntervalSince1970), end: .max)
        }
        return drains
            + windows.enumerated().map { index, window in
                Window(
                    nodes: window.nodes.isEmpty ? Array(nodes.indices) : window.nodes.compactMap { scheduler.machine.index(of: $0) },
                    start: Int(window.start.timeIntervalSince1970), end: Int(window.end.timeIntervalSince1970),
                    reservation: window.kind == .reservation ? index : nil)
            }
    }

    /// Of one that is unknown, or not for the user, there is no window: the run never starts.
    private func reservation(_ name: String?, owner: String) -> Int? {
        guard let name else { return nil }
        let found = windows.firstIndex {
            $0.kind == .reservation && $0.name == name && ($0.users.isEmpty || $0.users.contains(owner))
        }
        return found ?? -1
    }
}

extension ClusterNode {
    /// All but its state.
    fileprivate var offer: ClusterNode {
        var node = self
        node.state = .up
        node.reason = nil
        return node
    }
}

extension Int {
    /// Down, so that a long past has few different needs of memory.
    fileprivate var roundedToSixteenth: Int {
        let step = 1 << Swift.max(0, Int.bitWidth - leadingZeroBitCount - 4)
        return self / step * step
    }
}

extension EndedAttempt {
    fileprivate func runTime(upTo limit: Int) -> Int { max(1, min(Int(endedAt.timeIntervalSince(startedAt)), limit)) }
}

extension SchedulingConfiguration {
    /// Seconds that a run may take.
    fileprivate func limit(of resources: ResourceRequest) -> Int { PlannedLimit.longest(resources.needs.timeLimit, assumed: assumedLimit) }
}
