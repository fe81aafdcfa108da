// SPDX-License-Identifier: Apache-2.0

package import Backends
import Foundation
package import Logging
package import Storage
package import WorkflowModel

/// The use cases of Weft: what the API offers, with every rule that does not depend on HTTP. Each call checks what its
/// caller may see; whether his token has the needed scope, the API has checked before.
package final class ExecutionService: Sendable {
    let storage: Storage
    let configuration: ServiceConfiguration
    let logger: Logger
    let supervisor: RunSupervisor
    /// Who chooses the nodes of runs.
    let placing: BackendCapabilities.Placing
    let broadcast = ChangeBroadcast()
    private let changes: AsyncStream<RunID>
    let environmentBuilder: EnvironmentBuilder
    let interpreterVersion = InterpreterVersion()
    /// Before every short process that a request starts.
    let processGate = Gate(limit: max(2, ProcessInfo.processInfo.activeProcessorCount), maximumWaiting: 64, patience: .seconds(60))
    /// Before every forecast of a wait; before every look at futures, which takes a processor for a while.
    let waitGate = Gate(limit: 1, maximumWaiting: 32, patience: .seconds(30))
    let futuresGate = Gate(limit: 1, maximumWaiting: 4, patience: .seconds(60))
    private let buildWake: AsyncStream<Void>
    private let buildWaker: AsyncStream<Void>.Continuation

    private static let buildRetryInterval = Duration.seconds(1)
    private static let broadcastInterval = Duration.seconds(10)

    /// - Parameter changes: runs of which something changed in the database, by any server.
    /// - Parameter session: on which this server schedules, when no other does.
    package init(
        storage: Storage, session: SchedulerSession, configuration: ServiceConfiguration, backend: any Backend, changes: AsyncStream<RunID>,
        logger: Logger
    ) {
        self.storage = storage
        self.changes = changes
        self.configuration = configuration
        self.logger = logger
        placing = backend.capabilities.placing
        supervisor = RunSupervisor(storage: storage, session: session, backend: backend, configuration: configuration, logger: logger)
        environmentBuilder = EnvironmentBuilder(
            interpreter: configuration.interpreter, folder: "\(configuration.dataFolder)/environments")
        (buildWake, buildWaker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Runs until its task is cancelled: the scheduler, the followers of runs, the builder of environments. The runs
    /// themselves do not end with it.
    package func run() async throws {
        for folder in ["runs", "environments", "modules"] { try Files.makeFolder("\(configuration.dataFolder)/\(folder)") }
        // What a crash left behind of loads and drawings, none of which takes so long.
        Files.removeContents(of: "\(configuration.dataFolder)/modules", olderThan: 24 * 3600)
        await withTaskGroup { group in
            group.addTask { await self.supervisor.run() }
            group.addTask { await self.buildEnvironments() }
            group.addTask { await self.forwardChanges() }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.broadcastInterval)
                    self.broadcast.announceAll()
                }
            }
            await group.waitForAll()
        }
    }

    /// - Throws: `Problem(.unavailable)` that says what is missing.
    package func checkReadiness() async throws(Problem) {
        try await stored { try await storage.ping() }
        let folder = "\(configuration.dataFolder)/runs"
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw Problem(.unavailable, "The run folder \(folder) cannot be written.")
        }
    }

    /// Runs by state, for the metrics.
    package func runCounts() async throws(Problem) -> [RunState: Int] { try await stored { try await storage.runCounts() } }

    /// Yields whenever the run's state, logs or provenance may have changed, from this server or another, and at the latest
    /// every 10 s. Several changes may arrive as one.
    package func changes(of id: RunID) -> AsyncStream<Void> { broadcast.changes(of: id) }

    private func forwardChanges() async {
        for await run in changes { broadcast.announce(run) }
    }

    /// Builds what was asked for and what a crash left half-built, one at a time and the oldest first.
    private func buildEnvironments() async {
        nudgeBuilder()
        for await _ in buildWake {
            do {
                while let environment = try await storage.buildingEnvironments().first, !Task.isCancelled { await build(environment) }
            } catch {
                logger.warning("the environments to build cannot be read; trying again", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: Self.buildRetryInterval)
                nudgeBuilder()
            }
        }
    }

    /// An environment was stored as `building`.
    func nudgeBuilder() { buildWaker.yield() }

    /// Gives what the database says as a `Problem`.
    func stored<T>(_ body: () async throws -> T) async throws(Problem) -> T {
        do {
            return try await body()
        } catch let problem as Problem {
            throw problem
        } catch let error as CancellationError {
            throw Problem(.unavailable, "The request was given up: \(error).")
        } catch {
            logger.error("storage failed", metadata: ["error": "\(error)"])
            throw Storage.isUnavailable(error)
                ? Problem(.unavailable, "The database cannot be reached at the moment; try again.")
                : Problem(.internalError, "The database refused the operation; the server's log says why.")
        }
    }
}

/// Which runs a list shows. Empty `states` means all.
package struct RunFilter: Sendable, Equatable {
    package var states: Set<RunState>
    package var graph: Reference?
    package var name: String?
    /// Only with `weft.admin`: runs of every owner.
    package var everyOwner: Bool

    package init(states: Set<RunState> = [], graph: Reference? = nil, name: String? = nil, everyOwner: Bool = false) {
        self.states = states
        self.graph = graph
        self.name = name
        self.everyOwner = everyOwner
    }
}
