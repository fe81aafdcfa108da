// SPDX-License-Identifier: Apache-2.0

package import Backends
import Foundation
import Scheduling
package import Storage
import WorkflowModel

/// Lets runs that wait start. Of several servers, one does.
///
/// Its memory of the queue is made anew whenever another server may have decided since, or when the cluster or what operators ordered of
/// it has changed.
package actor Admission {
    /// Runs whose reasons are stored.
    private static let explained = 1000
    private static let explainInterval = Duration.seconds(1)
    /// After which what is stored of runs behind those is cleared, and of how many at a time.
    private static let clearInterval = Duration.seconds(10)
    private static let clearedAtOnce = 2000
    /// After which the queue is compared with the database, where that costs something.
    private static let compareInterval = Duration.seconds(2)
    private static let smallQueue = 1000
    private static let keepInterval = Duration.seconds(60)

    private let storage: Storage
    private let session: SchedulerSession
    private let backend: any Backend
    private let configuration: ServiceConfiguration
    private let metrics = SchedulerMetrics()
    private var live: LiveScheduler?
    private var epoch: Int64 = -1
    /// Whether this server schedules, as far as is known.
    private(set) var leads = false
    private var ordersVersion: Int64 = -1
    private var explainedAt = ContinuousClock.now - Admission.explainInterval
    private var clearedAt = ContinuousClock.now - Admission.clearInterval
    private var comparedAt = ContinuousClock.now - Admission.compareInterval
    private var keptAt = ContinuousClock.now - Admission.keepInterval
    /// The calibration of waits that is stored, as far as this server knows.
    private var kept = WaitCalibration()

    package init(storage: Storage, session: SchedulerSession, backend: any Backend, configuration: ServiceConfiguration) {
        self.storage = storage
        self.session = session
        self.backend = backend
        self.configuration = configuration
    }

    /// One pass; nothing where another server schedules.
    package func admit() async throws {
        let standing: SchedulerSession.Standing
        do {
            standing = try await session.acquire()
        } catch {
            // Without its session another server may have begun.
            stepBack()
            throw error
        }
        guard case .mine(let epoch) = standing else { return stepBack() }
        leads = true
        if epoch != self.epoch { live = nil }
        self.epoch = epoch
        if case .engine(let maximum) = backend.capabilities.placing { return try await handOver(maximumJobs: maximum) }
        let now = Int(Date().timeIntervalSince1970)
        do {
            try await decide()
        } catch {
            // What was decided may or may not be stored.
            live = nil
            throw error
        }
        try await explain(at: now)
        try await keepCalibration()
    }

    private func stepBack() {
        leads = false
        live = nil
        metrics.wait(0)
    }

    private func decide() async throws {
        let version = try await storage.ordersVersion()
        let nodes = try await backend.nodes()
        let active = try await storage.activeAttempts()
        let time = Date()
        let now = Int(time.timeIntervalSince1970)
        let isSame = version == ordersVersion && live?.observe(nodes, at: now) == true
        ordersVersion = version
        if !isSame {
            let history = try await storage.endedAttempts(limit: LiveScheduler.historyDepth)
            live = try await LiveScheduler(
                storage, configuration.scheduling, nodes: nodes, active: active, history: history, calibration: live?.calibration, at: time)
            comparedAt = .now
        }
        live?.observe(active, at: now)
        if let ended = live?.ended, !ended.isEmpty { live?.learn(try await storage.endedByThemselves(ended.map(\.attempt))) }
        try await followQueue(at: now)
        var isCut = true
        while isCut {
            let begun = ContinuousClock.now
            guard let decisions = live?.pass(at: now, folder: { "\(self.configuration.dataFolder)/runs/\($0)/\($1)" }) else { return }
            metrics.passed(in: begun.duration(to: .now))
            guard let stored = try await session.store(decisions, epoch: epoch, at: time) else {
                live = nil
                return
            }
            metrics.stored(decisions, stored, at: time)
            let started = Set(stored.map(\.run))
            for start in decisions.starts where !started.contains(start.run) { live?.revoke(start.run, at: now) }
            isCut = decisions.starts.count >= LiveScheduler.mostStarts
        }
        metrics.wait(live?.waitingCount ?? 0)
    }

    /// Takes in runs that were queued, and leaves out those that wait no longer.
    private func followQueue(at now: Int) async throws {
        guard let place = live?.place else { return }
        for run in try await storage.queuedRuns(after: place, limit: LiveScheduler.pageSize) { live?.add(run, at: now) }
        let waiting = live?.waiting ?? []
        guard waiting.count <= Self.smallQueue || comparedAt.duration(to: .now) > Self.compareInterval else { return }
        comparedAt = .now
        let queued = try await storage.queuedIDs()
        for run in waiting.subtracting(queued) { live?.withdraw(run) }
        // A transaction that began earlier than others may end later.
        let missed = queued.subtracting(waiting)
        guard !missed.isEmpty else { return }
        for run in try await storage.queuedRuns(among: Array(missed)) { live?.add(run, at: now) }
    }

    private func explain(at now: Int) async throws {
        guard explainedAt.duration(to: .now) >= Self.explainInterval || live.map({ $0.waiting.count < 100 }) ?? false else { return }
        explainedAt = .now
        guard let pending = live?.pending(limit: Self.explained, at: now) else { return }
        try await storage.setPending(pending)
        guard let waiting = live?.waitingCount, waiting > Self.explained, clearedAt.duration(to: .now) >= Self.clearInterval else { return }
        clearedAt = .now
        try await storage.clearPending(
            but: pending.map(\.0), reason: "waits behind \(Self.explained) others, or more", limit: Self.clearedAtOnce)
    }

    private func keepCalibration() async throws {
        guard keptAt.duration(to: .now) >= Self.keepInterval, let calibration = live?.calibration, calibration != kept else { return }
        keptAt = .now
        let text = String(decoding: try WireJSON.encode(calibration), as: UTF8.self)
        try await session.keep(text, of: configuration.scheduling.policy.rawValue, epoch: epoch)
        kept = calibration
    }

    private func handOver(maximumJobs: Int) async throws {
        let queue = try await storage.queuedRuns(limit: Self.explained + maximumJobs)
        guard !queue.isEmpty else { return }
        let (starting, pending) = EngineQueue.decide(
            waiting: queue.count, jobs: try await storage.activeAttempts().count, maximumJobs: maximumJobs)
        let starts = queue.prefix(starting).map {
            SchedulerSession.Start(
                run: $0.id, attempt: $0.attempt, folder: "\(configuration.dataFolder)/runs/\($0.id)/\($0.attempt)", nodes: nil)
        }
        let (time, decisions) = (Date(), SchedulerSession.Decisions(starts: starts))
        if let started = try await session.store(decisions, epoch: epoch, at: time) { metrics.stored(decisions, started, at: time) }
        try await storage.setPending(zip(queue.dropFirst(starting).map(\.id), pending).map { ($0, $1) })
    }
}
