// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import Logging
import Provenance
import Storage
import WorkflowModel

/// Takes one attempt from `starting` to its end.
struct AttemptFollower {
    /// What a look did.
    enum Progress {
        /// There may be more to read at once.
        case busy
        case idle
        /// The engine holds it back: nothing happens soon.
        case waiting
        /// Its end is told, and there may be more to read, which nobody else will read.
        case remaining
        case ended
    }

    private let storage: Storage
    private let backend: any Backend
    private let logger: Logger
    private let document: StoredDocument
    private let interpreter: String
    private let launch: Launch
    private let retry: RetryPolicy
    private var tails: [SegmentTail]
    /// When the ranks were first asked, or seen, to end.
    private var endingSince: ContinuousClock.Instant?
    private var forcedAt: ContinuousClock.Instant?
    /// When no process was left.
    private var goneSince: ContinuousClock.Instant?
    /// A segment that cannot be read.
    private var damage: FailureReport?
    /// Why the engine was last seen not to start it.
    private var waits: String?
    private var collectedAt: ContinuousClock.Instant?

    /// How long ranks may take to end by themselves, before their processes are killed.
    private static let grace = Duration.seconds(2)
    /// Between two orders to end everything at once.
    private static let insistence = Duration.seconds(1)
    /// How long what the last rank of a good run wrote may take to show on a shared file system.
    private static let timeToShow = Duration.seconds(10)
    /// How long what the ranks of a failed or cancelled attempt left behind may hold up the news of its end.
    private static let patience = Duration.seconds(3)

    /// How often what ranks wrote elsewhere is fetched.
    private static let collectInterval = Duration.seconds(1)

    init(
        storage: Storage, backend: any Backend, logger: Logger, document: StoredDocument, interpreter: String, launch: Launch,
        retry: RetryPolicy, tails: [SegmentTail]
    ) {
        self.storage = storage
        self.backend = backend
        self.logger = logger
        self.document = document
        self.interpreter = interpreter
        self.launch = launch
        self.retry = retry
        self.tails = tails
    }

    /// Looks once, and does what is due: first what the user or the ranks wait for, then a share of what there is to read.
    mutating func step() async throws -> Progress {
        guard let (state, attempt) = try await storage.state(of: launch.run), attempt == launch.attempt else { return .ended }
        switch state {
        case .submitted, .queued: return .ended
        // Its end was told; what it left behind is still read.
        case .succeeded, .failed, .cancelled: return try await ingest() ? .remaining : .ended
        case .starting, .running, .cancelling: return try await follow(state)
        }
    }

    private mutating func follow(_ state: RunState) async throws -> Progress {
        let status: LaunchStatus
        do { status = try await backend.observe(launch) } catch {
            // Whoever asked for its end has not to wait until all can be seen.
            if state == .cancelling { try await hurry() }
            throw error
        }
        switch status {
        case .absent where state == .cancelling, .waiting where state == .cancelling:
            if try await backend.withdraw(launch) {
                try await backend.cancel(launch, force: true)
                return try await end(.cancelled, nil)
            }
            return .idle
        case .absent where state == .running:
            throw BackendError("nothing is left of the launch in \(launch.folder.path): is the data folder there?", isPassing: true)
        case .absent:
            try await submit()
            return .idle
        case .waiting(let reason):
            try await wait(reason)
            return .waiting
        case .running:
            if state == .starting {
                _ = try await storage.transition(launch.run, from: [.starting], to: .running, at: Date())
            } else if try state == .cancelling || damage != nil || failure() != nil {
                try await hurry()
            }
            return try await ingest() ? .busy : .idle
        case .ended(let end): return try await conclude(end, cancelled: state == .cancelling)
        }
    }

    /// Stores why the engine does not start it.
    private mutating func wait(_ reason: String) async throws {
        guard waits != reason else { return }
        try await storage.setPending([(launch.run, Pending(reason: reason, position: nil))])
        waits = reason
    }

    private mutating func submit() async throws {
        do {
            guard let graph = document.graph.graph, let module = document.graph.module else {
                throw BackendError("\(document.graph.reference) was stored without its graph")
            }
            let runDocument = RunDocument(
                run: launch.run, attempt: launch.attempt, graph: graph, plan: document.plan, inputs: document.inputs,
                replayed: document.replayed, restored: document.restored, interpreter: interpreter, module: document.graph.filename,
                attribute: document.graph.attribute, timeLimit: launch.resources.needs.timeLimit.map(Double.init))
            try AttemptFolder.prepare(launch.folder, document: runDocument, content: module)
            try await backend.submit(launch)
        } catch let error as BackendError where error.isPassing {
            try await wait("cannot be given to the cluster yet: \(error)")
            throw error
        } catch {
            // Only what has certainly not started may be told as failed to start.
            guard (try? await backend.withdraw(launch)) == true else { throw error }
            _ = try? await backend.cancel(launch, force: true)
            let node = (error as? BackendError)?.node
            let report = FailureReport(
                cause: node == nil ? .launcher : .node, message: "The run could not be launched: \(error).", at: Date(), node: node)
            _ = try await end(.failed, report, isTriedAgain: retry.retries(report.cause, attempt: launch.attempt))
        }
    }

    /// Reads a share of what each rank has written.
    ///
    /// - Returns: whether there was anything.
    private mutating func ingest() async throws -> Bool {
        guard damage == nil else { return false }
        if collectedAt.map({ .now - $0 > Self.collectInterval }) ?? true {
            try await backend.collect(launch, isOver: false)
            collectedAt = .now
        }
        var found = false
        for index in tails.indices {
            do {
                if try await tails[index].advance(into: storage) { found = true }
            } catch let error as SegmentError {
                damage = FailureReport(
                    cause: .protocolViolation,
                    message: "The record of rank \(tails[index].rank), \(tails[index].path), is damaged \(error).",
                    at: Date(), rank: tails[index].rank)
            }
        }
        return found
    }

    private func failure() throws -> FailureReport? { try launch.folder.firstFailure(ranks: launch.ranks) }

    /// First asks, then kills, and looks now and then whether that helped.
    private mutating func hurry() async throws {
        let now = ContinuousClock.now
        let isPatient = endingSince.map { now - $0 <= Self.grace } ?? true
        guard endingSince == nil || !isPatient && now - (forcedAt ?? now - Self.grace) >= Self.insistence else { return }
        endingSince = endingSince ?? now
        if !isPatient { forcedAt = now }
        try await backend.cancel(launch, force: !isPatient)
    }

    private mutating func conclude(_ end: LaunchEnd, cancelled: Bool) async throws -> Progress {
        if goneSince == nil {
            // Only when no process is left can nothing more be written.
            guard try await !backend.cancel(launch, force: true) else { return .idle }
            try await backend.collect(launch, isOver: true)
            goneSince = .now
        }
        let failure = try failure()
        let succeeded = end.cause == .exited(0) && failure == nil
        if try await ingest(), succeeded || goneSince.map({ .now - $0 < Self.patience }) == true { return .busy }
        if succeeded {
            if tails.allSatisfy(\.ended) {
                await learn(end: end.at ?? Date())
                return try await self.end(.succeeded, nil, at: end.at)
            }
            if damage == nil, goneSince.map({ .now - $0 < Self.timeToShow }) == true { return .idle }
        }
        // A worker that is told to end before its rank is, as an engine does it, did not fail.
        let wasToldToEnd = ["SIGTERM", "SIGKILL"].contains(failure?.signal)
        var report = cancelled && wasToldToEnd ? nil : failure ?? damage
        // What the engine did explains what the ranks saw; but for an end that Weft itself may have asked for.
        let isExplained = end.cause.isOfTheEngine && (end.cause != .cancelledOutside || wasToldToEnd)
        if report == nil || isExplained {
            if cancelled, report == nil { return try await self.end(.cancelled, nil, at: end.at) }
            let graph = document.graph.graph ?? WorkflowGraph(elements: [], edges: [])
            report = await backend.explain(launch, end, plan: document.plan, graph: graph)
        }
        guard let report, !cancelled, retry.retries(report.cause, attempt: launch.attempt) else {
            return try await self.end(.failed, report, at: end.at)
        }
        // Nobody waits for the news of this end: all that there is belongs to the attempt before the next one begins.
        while try await ingest() {}
        return try await self.end(.failed, report, at: end.at, isTriedAgain: true)
    }

    /// Before its end is told: whoever waits for that may plan by it. What cannot be learned holds up nothing.
    private func learn(end: Date) async {
        do {
            try await RunLearning.learn(
                launch, document, end: end, nodes: (try? await backend.nodes()) ?? [], placing: backend.capabilities.placing, storage)
        } catch {
            logger.warning("nothing was learned from the run", metadata: ["run": "\(launch.run)", "error": "\(error)"])
        }
    }

    private var loadedModules: [String]? {
        guard launch.resources.needs.modules?.isEmpty == false, let text = (try? SmallFile.read(launch.folder.modules)) ?? nil else {
            return nil
        }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").filter { !$0.hasSuffix(":") }.map(String.init)
    }

    private func end(_ state: RunState, _ failure: FailureReport?, at: Date? = nil, isTriedAgain: Bool = false) async throws -> Progress {
        _ = try await storage.transition(
            launch.run, from: [.starting, .running, .cancelling].filter { $0.mayBecome(state) }, to: state, at: at ?? Date(),
            AttemptChange(failure: failure, modules: loadedModules, isTriedAgain: isTriedAgain))
        logger.info(
            "attempt ended",
            metadata: [
                "run": "\(launch.run)", "attempt": "\(launch.attempt)", "state": "\(state.rawValue)",
                "failure": "\(failure?.message ?? "")", "tried_again": "\(isTriedAgain)",
            ])
        return .remaining
    }
}
