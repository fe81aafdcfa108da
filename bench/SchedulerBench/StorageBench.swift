// SPDX-License-Identifier: Apache-2.0

import Backends
import ExecutionService
import Foundation
import Postgres
import Storage
import WorkflowModel

/// The server's admission on a database whose queue is filled already: how long it takes to begin, and how many runs it then starts.
struct StorageBench {
    var conninfo: String
    var nodes: Int

    func run() async throws -> [String: Double] {
        let (pool, own) = (ConnectionPool(conninfo: conninfo, size: 4), ConnectionPool(conninfo: conninfo, size: 1))
        defer {
            pool.close()
            own.close()
        }
        let storage = Storage(pool: pool)
        let waiting = try await storage.runCounts()[.queued] ?? 0
        let admission = Admission(
            storage: storage, session: SchedulerSession(pool: own), backend: IdleNodes(count: nodes),
            configuration: ServiceConfiguration(
                dataFolder: "/nowhere", interpreter: "/nowhere", registrationSeconds: 1, registrationMemoryMB: 64,
                defaultMemoryPerRank: 256, maximumRanks: 16384))
        let clock = ContinuousClock()
        let start = clock.now
        try await admission.admit()
        let first = start.duration(to: clock.now)
        let atOnce = try await storage.runCounts()[.starting] ?? 0
        // Another scheduler may still hold the lock, or no run fits: no figure of this one then.
        guard atOnce > 0 else { throw NothingStarted() }
        var (started, time, last) = (atOnce, first, 0)
        while time < .seconds(10), started > last {
            let begun = clock.now
            try await admission.admit()
            time += begun.duration(to: clock.now)
            (last, started) = (started, try await storage.runCounts()[.starting] ?? 0)
        }
        return [
            "queued": Double(waiting), "restart_seconds": first / .seconds(1), "started_at_once": Double(atOnce),
            "started": Double(started), "starts_per_second": Double(started) / (time / .seconds(1)),
        ]
    }
}

/// Nodes on which nothing is launched: decisions are measured, not starts of programs.
private struct IdleNodes: Backend {
    var count: Int

    let capabilities = BackendCapabilities(placing: .weft, needs: [.timeLimit], loadsModules: false)

    func nodes() -> [ClusterNode] { (0..<count).map { ClusterNode(name: "n\($0)", cores: 16, memory: 65_536, slots: 16) } }
    func submit(_ launch: Launch) throws(BackendError) {}
    func observe(_ launch: Launch) throws(BackendError) -> LaunchStatus { .running }
    func withdraw(_ launch: Launch) throws(BackendError) -> Bool { true }
    func cancel(_ launch: Launch, force: Bool) throws(BackendError) -> Bool { false }
    func collect(_ launch: Launch, isOver: Bool) throws(BackendError) {}
    func explain(_ launch: Launch, _ end: LaunchEnd, plan: Plan, graph: WorkflowGraph) async -> FailureReport {
        FailureReport(cause: .launcher, message: "", at: Date())
    }
}

private struct NothingStarted: Error, CustomStringConvertible {
    let description = "nothing started: another scheduler holds the lock of this database, or no run fits"
}
