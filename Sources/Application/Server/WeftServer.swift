// SPDX-License-Identifier: Apache-2.0

import Backends
import CoreMetrics
import ExecutionService
import Foundation
import HTTPAPI
import HTTPClient
import Hummingbird
import Identity
import Logging
import NIOCore
import Postgres
import ServiceLifecycle
import Storage
import Telemetry
import UnixSignals
import WorkflowModel

/// Puts the parts together and runs them: here, and only here, each part meets its neighbours.
package struct WeftServer: Sendable {
    package static let version = "0.1.0"

    private static let databasePatience = Duration.seconds(30)
    private static let shutdownPatience = Duration.seconds(10)

    let configuration: Configuration
    private let logger: Logger

    /// Sets up the logs and metrics of the process: to be called once.
    package init(_ configuration: Configuration) {
        self.configuration = configuration
        LoggingSetup.bootstrap(format: configuration.log.format, level: configuration.log.level)
        logger = Logger(label: "weftd")
    }

    /// Serves until SIGTERM or SIGINT. MPI jobs are left alone: they go on, and the next start takes them up.
    package func run() async throws(StartFailure) {
        logger.info("weftd starts", metadata: ["version": "\(Self.version)"])
        for warning in configuration.warnings { logger.warning("\(warning)") }
        let registry = PrometheusRegistry()
        for metric in ServiceMetrics.descriptions { registry.describe(metric.name, help: metric.help, buckets: metric.buckets) }
        MetricsSystem.bootstrap(registry)
        try ProcessSetup.makePrivateFolder(configuration.dataFolder)
        let pool = ConnectionPool(conninfo: configuration.database.conninfo, size: configuration.database.poolSize)
        defer { pool.close() }
        let storage = Storage(pool: pool)
        let schedulerPool = ConnectionPool(conninfo: configuration.database.conninfo, size: 1)
        defer { schedulerPool.close() }
        try await prepare(storage)
        let listener = Listener(conninfo: configuration.database.conninfo, channels: [Storage.runChannel])
        defer { listener.close() }
        let service = ExecutionService(
            storage: storage, session: SchedulerSession(pool: schedulerPool), configuration: configuration.service,
            backend: try configuration.backend(),
            changes: Self.runs(of: listener.notifications), logger: Logger(label: "weft.execution"))
        registry.addCollector("weft_runs", help: "Runs by state.") {
            let counts = try await service.runCounts()
            return RunState.allCases.map { .init(Double(counts[$0] ?? 0), [("state", $0.rawValue)]) }
        }
        try await serve(service, router: try router(service, registry))
    }

    /// Waits for the database, and brings its schema up to date.
    private func prepare(_ storage: Storage) async throws(StartFailure) {
        let start = ContinuousClock.now
        var nextLine = start
        while true {
            do {
                try await storage.ping()
                break
            } catch {
                guard start.duration(to: .now) < Self.databasePatience else {
                    throw StartFailure(
                        .unavailable, "The database does not answer: \(error). Check database.conninfo and the server it names.")
                }
                if .now >= nextLine {
                    logger.warning("waiting for the database", metadata: ["error": "\(error)"])
                    nextLine = .now + .seconds(5)
                }
                try? await Task.sleep(for: .milliseconds(250))
            }
        }
        do {
            try await storage.migrate()
        } catch let error as PostgresError where error.isUnavailable {
            throw StartFailure(.unavailable, "The database went away while its schema was brought up to date: \(error)")
        } catch {
            throw StartFailure(.configuration, "The schema of the database cannot be brought up to date: \(error)")
        }
    }

    /// The runs that notifications name. One that was missed shows within the interval at which the service looks by itself.
    private static func runs(of notifications: AsyncStream<Postgres.Notification>) -> AsyncStream<RunID> {
        AsyncStream(bufferingPolicy: .bufferingNewest(10_000)) { continuation in
            let task = Task {
                for await notification in notifications {
                    if let id = notification.payload.flatMap({ RunID($0) }) { continuation.yield(id) }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private func router(_ service: ExecutionService, _ registry: PrometheusRegistry) throws(StartFailure) -> Router<APIContext> {
        do {
            let validator = try TokenValidator(issuers: configuration.issuers, client: HTTPClient())
            return HTTPAPI(
                service: service, access: AccessControl(validator: validator, publicURL: configuration.publicURL),
                configuration: .init(maximumBody: configuration.limits.bodyBytes, issuers: configuration.issuers.map(\.issuer)),
                metrics: registry
            ).router()
        } catch {
            throw StartFailure(.configuration, "\(error)")
        }
    }

    private func serve(_ service: ExecutionService, router: Router<APIContext>) async throws(StartFailure) {
        let (listening, isListening) = AsyncStream.makeStream(of: Void.self)
        let portFile = configuration.listen.portFile
        let host = configuration.listen.host
        let connections = connectionLimit()
        let application = Application(
            router: router,
            server: .http1(configuration: .init(idleTimeout: .seconds(75))),
            configuration: .init(
                address: .hostname(host, port: configuration.listen.port),
                availableConnectionsDelegate: .maximum(connections, logger: logger)),
            onServerRunning: { [logger] channel in
                let port = channel.localAddress?.port ?? 0
                logger.info("listening", metadata: ["host": "\(host)", "port": "\(port)"])
                if let portFile { Self.write(port, to: portFile, logger) }
                isListening.yield()
                isListening.finish()
            },
            logger: Logger(label: "weft.http"))
        var group = ServiceGroupConfiguration(
            services: [ExecutionLoops(service: service, begin: listening), application],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: Self.lifecycleLogger)
        group.maximumGracefulShutdownDuration = Self.shutdownPatience
        do {
            try await ServiceGroup(configuration: group).run()
            logger.info("weftd has stopped; runs go on")
        } catch let error as IOError where [EADDRINUSE, EADDRNOTAVAIL, EACCES].contains(error.errnoCode) {
            let address = "\(host):\(configuration.listen.port)"
            throw StartFailure(
                .unavailable,
                "Cannot listen at \(address): \(String(cString: strerror(error.errnoCode))). Choose another listen.port, or stop what has it."
            )
        } catch {
            throw StartFailure(.software, "weftd ended: \(error)")
        }
    }

    private func connectionLimit() -> Int {
        let asked = configuration.limits.connections
        let descriptors = ProcessSetup.raiseDescriptorLimit()
        let connections = ProcessSetup.connections(asked: asked, descriptors: descriptors)
        if connections < asked {
            logger.warning(
                "limits.connections is \(asked), but \(descriptors) open files are allowed (ulimit -n): \(connections) connections are taken at a time."
            )
        }
        return connections
    }

    /// Whole or not at all: who waits for the file never reads half of it.
    private static func write(_ port: Int, to path: String, _ logger: Logger) {
        do {
            try Data("\(port)\n".utf8).write(to: URL(filePath: path), options: .atomic)
        } catch {
            logger.error("the port file cannot be written", metadata: ["path": "\(path)", "error": "\(error.localizedDescription)"])
        }
    }

    /// The library tells at info what is of use to its authors.
    private static var lifecycleLogger: Logger {
        var logger = Logger(label: "weft.lifecycle")
        logger.logLevel = max(logger.logLevel, .notice)
        return logger
    }
}

/// The loops of the execution service, begun once the address is this server's: a second server started by mistake touches
/// nothing.
private struct ExecutionLoops: Service {
    let service: ExecutionService
    let begin: AsyncStream<Void>

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            for await _ in begin { return try await service.run() }
        }
    }
}

extension Configuration {
    var service: ServiceConfiguration {
        ServiceConfiguration(
            dataFolder: dataFolder, interpreter: interpreter, registrationSeconds: registration.seconds,
            registrationMemoryMB: registration.memoryMB, defaultMemoryPerRank: runs.memoryPerRankMB, maximumRanks: runs.maximumRanks,
            accounts: engine == .local ? local.accounts : [:],
            scheduling: SchedulingConfiguration(
                policy: scheduling.policy, assumedLimit: scheduling.assumedLimit, halfLife: scheduling.halfLife))
    }

    /// What does not keep the server from starting, but some runs from running.
    var warnings: [String] {
        [
            ("python.interpreter", interpreter, "no graph can be registered or run"),
            ("local.rank_program", local.rankProgram, "no run can start"), ("local.mpirun", local.mpirun, "no run can start"),
        ].compactMap { key, path, effect in
            Host.isProgram(path) ? nil : "\(key) is \(path), which is not a program that can be run: \(effect) until it is there."
        }
    }
}
