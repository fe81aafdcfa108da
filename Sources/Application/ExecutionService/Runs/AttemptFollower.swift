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
        case ended
    }

    private let storage: Storage
    private let backend: any Backend
    private let logger: Logger
    private let document: StoredDocument
    private let interpreter: String
    private let launch: Launch
    private var tails: [SegmentTail]
    /// When the ranks were first asked, or seen, to end.
    private var endingSince: ContinuousClock.Instant?
    /// When no process was left.
    private var goneSince: ContinuousClock.Instant?
    /// A segment that cannot be read.
    private var damage: FailureReport?

    /// How long ranks may take to end by themselves, before their processes are killed.
    private static let grace = Duration.seconds(2)
    /// How long what the ranks of a failed or cancelled attempt left behind may hold up the news of its end.
    private static let patience = Duration.seconds(3)

    init(
        storage: Storage, backend: any Backend, logger: Logger, document: StoredDocument, interpreter: String, launch: Launch,
        tails: [SegmentTail]
    ) {
        self.storage = storage
        self.backend = backend
        self.logger = logger
        self.document = document
        self.interpreter = interpreter
        self.launch = launch
        self.tails = tails
    }

    /// Looks once, and does what is due: first what the user or the ranks wait for, then a share of what there is to read.
    mutating func step() async throws -> Progress {
        guard let (state, attempt) = try await storage.state(of: launch.run), attempt == launch.attempt else { return .ended }
        switch state {
        case .submitted, .queued: return .ended
        // Its end was told; what it left behind is still read.
        case .succeeded, .failed, .cancelled: return try await ingest() ? .busy : .ended
        case .starting: return try await start()
        case .running, .cancelling:
            let status = try backend.observe(launch)
            switch status {
            case .running:
                if try state == .cancelling || damage != nil || failure() != nil { try hurry() }
                return try await ingest() ? .busy : .idle
            case .absent where state == .cancelling:
                return try backend.withdraw(launch) ? try await end(.cancelled, nil) : .idle
            case .absent: return try await start()
            case .exited, .vanished: return try await conclude(status, cancelled: state == .cancelling)
            }
        }
    }

    private mutating func start() async throws -> Progress {
        do {
            guard let graph = document.graph.graph, let module = document.graph.module else {
                throw BackendError("\(document.graph.reference) was stored without its graph")
            }
            let runDocument = RunDocument(
                run: launch.run, attempt: launch.attempt, graph: graph, plan: document.plan, inputs: document.inputs,
                replayed: document.replayed, restored: document.restored, interpreter: interpreter, module: document.graph.filename,
                attribute: document.graph.attribute)
            if try backend.observe(launch) == .absent {
                try AttemptFolder.prepare(launch.folder, document: runDocument, content: module)
                try backend.launch(launch)
            }
        } catch {
            // Only what has certainly not started may be told as failed to start.
            guard (try? backend.withdraw(launch)) == true else { throw error }
            return try await end(.failed, FailureReport(cause: .launcher, message: "The run could not be launched: \(error).", at: Date()))
        }
        _ = try await storage.transition(launch.run, from: [.starting], to: .running, at: Date())
        return .idle
    }

    /// Reads a share of what each rank has written.
    ///
    /// - Returns: whether there was anything.
    private mutating func ingest() async throws -> Bool {
        guard damage == nil else { return false }
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

    /// First asks, then kills.
    private mutating func hurry() throws {
        let now = ContinuousClock.now
        let isPatient = endingSince.map { now - $0 <= Self.grace } ?? true
        guard endingSince == nil || !isPatient else { return }
        endingSince = endingSince ?? now
        try backend.stop(launch, force: !isPatient)
    }

    private mutating func conclude(_ status: LaunchStatus, cancelled: Bool) async throws -> Progress {
        // Only when no process is left can nothing more be written.
        guard try backend.stop(launch, force: true) == 0 else { return .idle }
        goneSince = goneSince ?? .now
        let failure = try failure()
        let succeeded = status == .exited(0) && failure == nil
        if try await ingest(), succeeded || goneSince.map({ .now - $0 < Self.patience }) == true { return .busy }
        if let failure = failure ?? damage { return try await end(.failed, failure) }
        if succeeded, tails.allSatisfy(\.ended) { return try await end(.succeeded, nil) }
        if cancelled { return try await end(.cancelled, nil) }
        let graph = document.graph.graph ?? WorkflowGraph(elements: [], edges: [])
        return try await end(.failed, backend.explain(launch, status: status, plan: document.plan, graph: graph))
    }

    private func end(_ state: RunState, _ failure: FailureReport?) async throws -> Progress {
        _ = try await storage.transition(
            launch.run, from: [.starting, .running, .cancelling].filter { $0.mayBecome(state) }, to: state,
            at: backend.endedAt(launch) ?? Date(), AttemptChange(failure: failure))
        logger.info(
            "run ended",
            metadata: [
                "run": "\(launch.run)", "attempt": "\(launch.attempt)", "state": "\(state.rawValue)",
                "failure": "\(failure?.message ?? "")",
            ])
        return .busy
    }
}
