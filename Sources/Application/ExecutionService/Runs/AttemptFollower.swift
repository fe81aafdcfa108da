// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import Logging
import Provenance
import Storage
import WorkflowModel

/// Takes one attempt from `starting` to its end.
struct AttemptFollower {
    let storage: Storage
    let backend: any Backend
    let logger: Logger
    let document: StoredDocument
    let interpreter: String
    let launch: Launch
    var tails: [SegmentTail]
    let grace: Duration
    /// When the ranks were first asked, or seen, to end.
    private var endingSince: ContinuousClock.Instant?

    init(
        storage: Storage, backend: any Backend, logger: Logger, document: StoredDocument, interpreter: String, launch: Launch,
        tails: [SegmentTail], grace: Duration
    ) {
        self.storage = storage
        self.backend = backend
        self.logger = logger
        self.document = document
        self.interpreter = interpreter
        self.launch = launch
        self.tails = tails
        self.grace = grace
    }

    /// Looks once, and does what is due.
    ///
    /// - Returns: whether the attempt has ended.
    mutating func step() async throws -> Bool {
        guard let run = try await storage.run(launch.run, visibleTo: nil), run.attempts.last?.number == launch.attempt else { return true }
        let state = run.state
        switch state {
        case .submitted, .queued, .succeeded, .failed, .cancelled: return true
        case .starting:
            return try await start()
        case .running, .cancelling:
            if let failure = try await ingest() { return try await end(.failed, failure) }
            let status = try backend.observe(launch)
            switch status {
            case .running:
                if state == .cancelling || AttemptFolder.firstFailure(launch.folder, ranks: launch.ranks) != nil { try hurry() }
                return false
            case .absent where state == .cancelling:
                return try backend.withdraw(launch) ? try await end(.cancelled, nil) : false
            case .absent:
                return try await start()
            case .exited, .vanished:
                return try await conclude(status, cancelled: state == .cancelling)
            }
        }
    }

    private mutating func start() async throws -> Bool {
        do {
            guard let graph = document.graph.graph, let source = document.graph.source else {
                throw BackendError("\(document.graph.reference) was stored without its graph")
            }
            let runDocument = RunDocument(
                run: launch.run, attempt: launch.attempt, graph: graph, plan: document.plan, inputs: document.inputs,
                interpreter: interpreter, module: document.graph.filename, attribute: document.graph.attribute)
            if try backend.observe(launch) == .absent {
                try AttemptFolder.prepare(launch.folder, document: runDocument, source: source)
                try backend.launch(launch)
            }
        } catch {
            return try await end(
                .failed,
                FailureReport(cause: .launcher, message: "The run could not be launched from \(launch.folder.path): \(error)", at: Date()))
        }
        _ = try await storage.transition(launch.run, from: [.starting], to: .running, at: Date())
        return false
    }

    /// Reads all that the ranks have written.
    ///
    /// - Returns: a report when a segment is damaged.
    private mutating func ingest() async throws -> FailureReport? {
        for index in tails.indices {
            do {
                while try await tails[index].advance(into: storage) {}
            } catch let error as SegmentError {
                _ = try? backend.stop(launch, force: true)
                return FailureReport(
                    cause: .protocolViolation,
                    message: "The record of rank \(tails[index].rank), \(tails[index].path), is damaged \(error).",
                    at: Date(), rank: tails[index].rank)
            }
        }
        return nil
    }

    /// First asks, then kills.
    private mutating func hurry() throws {
        let now = ContinuousClock.now
        if let endingSince {
            if now - endingSince > grace { try backend.stop(launch, force: true) }
        } else {
            endingSince = now
            try backend.stop(launch, force: false)
        }
    }

    private mutating func conclude(_ status: LaunchStatus, cancelled: Bool) async throws -> Bool {
        // Only when no process is left can nothing more be written.
        guard try backend.stop(launch, force: true) == 0 else { return false }
        if let failure = try await ingest() { return try await end(.failed, failure) }
        let isComplete = status == .exited(0) && tails.allSatisfy(\.ended)
        if let failure = AttemptFolder.firstFailure(launch.folder, ranks: launch.ranks) { return try await end(.failed, failure) }
        if isComplete { return try await end(.succeeded, nil) }
        if cancelled { return try await end(.cancelled, nil) }
        return try await end(
            .failed,
            backend.explain(
                launch, status: status, plan: document.plan, graph: document.graph.graph ?? WorkflowGraph(elements: [], edges: [])))
    }

    private func end(_ state: RunState, _ failure: FailureReport?) async throws -> Bool {
        _ = try await storage.transition(
            launch.run, from: [.starting, .running, .cancelling].filter { $0.mayBecome(state) }, to: state, at: Date(),
            AttemptChange(failure: failure))
        logger.info(
            "run ended",
            metadata: [
                "run": "\(launch.run)", "attempt": "\(launch.attempt)", "state": "\(state.rawValue)",
                "failure": "\(failure?.message ?? "")",
            ])
        return true
    }
}
