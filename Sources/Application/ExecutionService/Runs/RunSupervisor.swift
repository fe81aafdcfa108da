// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import Logging
import Provenance
import Scheduling
import Storage
import Synchronization
import WorkflowModel

/// Moves runs along: admits what fits, launches it, follows what the ranks record, and ends each attempt with the truth.
///
/// All it knows is in the database and in the attempts' folders. It may be killed at any moment; the next one goes on.
final class RunSupervisor: Sendable {
    private static let pollInterval = Duration.milliseconds(100)
    /// For runs that the engine holds back.
    private static let waitInterval = Duration.milliseconds(500)
    private static let retryInterval = Duration.seconds(1)

    private let storage: Storage
    private let backend: any Backend
    private let admission: Admission
    private let configuration: ServiceConfiguration
    private let logger: Logger
    private let wake: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation
    private let supervised = Mutex<Set<RunID>>([])
    /// Where Weft places runs, their processes are known on the host of the server that schedules: the others would take them for lost.
    private let follows = Atomic(false)

    init(storage: Storage, session: SchedulerSession, backend: any Backend, configuration: ServiceConfiguration, logger: Logger) {
        self.storage = storage
        self.backend = backend
        admission = Admission(storage: storage, session: session, backend: backend, configuration: configuration)
        self.configuration = configuration
        self.logger = logger
        (wake, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// - Parameter owner: label of the user whose run it is.
    /// - Throws: `Problem` that names the field, when the run could never start here.
    func checkFits(_ request: ResourceRequest, owner: String) async throws(Problem) {
        var capabilities = backend.capabilities
        if capabilities.placing == .weft { capabilities.addScheduling(by: configuration.scheduling.policy) }
        let unknown = request.needs.said.subtracting(capabilities.needs).sorted { $0.rawValue < $1.rawValue }
        guard unknown.isEmpty else {
            let known = capabilities.needs.map(\.rawValue).sorted().joined(separator: ", ")
            throw Problem(
                .invalid, "This cluster cannot give what the run needs.",
                errors: unknown.map {
                    .init("/needs/\($0.rawValue)", "\(capabilities.refusals[$0] ?? "is not known here"); known are \(known)")
                })
        }
        guard capabilities.placing == .weft else { return }
        if request.needs.reservation != nil {
            let windows: [ClusterWindow]
            do { windows = try await storage.orders().windows } catch {
                throw Problem(.unavailable, "The reservations cannot be looked at: \(error)")
            }
            try request.needs.checkReservation(among: windows, owner: owner, configuration.scheduling, at: Date())
        }
        do { try Placement.checkFits(request, nodes: try await backend.nodes()) } catch let error as Problem {
            throw error
        } catch {
            throw Problem(.unavailable, "The nodes cannot be looked at: \(error)")
        }
    }

    func nodes() async throws(BackendError) -> [ClusterNode] { try await backend.nodes() }

    /// A run was submitted, cancelled or ended: look at the queue now.
    func nudge() { waker.yield() }

    /// Runs until its task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { [self] in
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.retryInterval)
                    nudge()
                }
                waker.finish()
            }
            nudge()
            for await _ in wake {
                do { try await admission.admit() } catch {
                    logger.warning("no run can be started now; trying again", metadata: ["error": "\(error)"])
                }
                let leads = await admission.leads
                follows.store(leads || backend.capabilities.placing != .weft, ordering: .relaxed)
                guard follows.load(ordering: .relaxed) else { continue }
                do {
                    for attempt in try await storage.activeAttempts() where supervised.withLock({ $0.insert(attempt.run).inserted }) {
                        group.addTask { [self] in
                            await supervise(attempt)
                            supervised.withLock { _ = $0.remove(attempt.run) }
                            nudge()
                        }
                    }
                } catch {
                    logger.warning("the runs that are under way could not be read; trying again", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    // MARK: One attempt

    private func supervise(_ attempt: ActiveAttempt) async {
        var follower: AttemptFollower?
        var endIsTold = false
        while !Task.isCancelled, endIsTold || follows.load(ordering: .relaxed) {
            do {
                if follower == nil { follower = try await begin(attempt) }
                guard let progress = try await follower?.step() else { return }
                switch progress {
                case .busy: await Task.yield()
                case .idle: try? await Task.sleep(for: Self.pollInterval)
                case .waiting: try? await Task.sleep(for: Self.waitInterval)
                case .remaining:
                    endIsTold = true
                    await Task.yield()
                case .ended: return
                }
            } catch {
                guard !Task.isCancelled else { return }
                logger.warning("run cannot be followed; trying again", metadata: ["run": "\(attempt.run)", "error": "\(error)"])
                // What was read but not stored is read again.
                follower = nil
                try? await Task.sleep(for: Self.retryInterval)
            }
        }
    }

    /// - Returns: `nil` when the attempt has ended meanwhile.
    private func begin(_ attempt: ActiveAttempt) async throws -> AttemptFollower? {
        guard let document = try await storage.document(attempt.run), document.attempt == attempt.attempt, let path = attempt.folder else {
            return nil
        }
        let folder = RunFolder(path: path)
        let offsets = try await storage.segmentOffsets(attempt.run, attempt: attempt.attempt)
        let tails = (0..<document.plan.ranks).map { rank in
            SegmentTail(
                run: attempt.run, attempt: attempt.attempt, rank: rank, path: folder.segment(rank: rank),
                offset: offsets[rank]?.offset ?? 0,
                ended: offsets[rank]?.ended ?? false)
        }
        return AttemptFollower(
            storage: storage, backend: backend, logger: logger, document: document, interpreter: interpreter(for: document),
            launch: Launch(
                run: attempt.run, attempt: attempt.attempt, folder: folder, resources: attempt.resources, nodes: attempt.nodes,
                avoided: attempt.avoided, account: configuration.accounts[attempt.issuer]?[attempt.subject]),
            retry: attempt.retry, tails: tails)
    }

    private func interpreter(for document: StoredDocument) -> String {
        guard let digest = document.graph.environment else { return configuration.interpreter }
        return EnvironmentBuilder(interpreter: configuration.interpreter, folder: "\(configuration.dataFolder)/environments")
            .interpreter(of: digest)
    }
}
