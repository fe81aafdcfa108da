// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

/// What every backend does alike. `docs/backends.md` has the table.
enum Contract: String, CaseIterable, CustomTestStringConvertible {
    case runsToItsEnd, tellsWhichPEFailed, keepsTheTimeLimit, saysWhyARunWaits, cancelsWhatWaits, cancelsWhatRuns, outlivesTheServer
    case tellsThatTheLauncherWasKilled, triesAgainWhatFailed, refusesWhatItCannotGive

    var testDescription: String { rawValue }

    func check() async throws {
        let under = try #require(ClusterUnderTest.current, "the suite has no cluster")
        let weft = under.weft
        switch self {
        case .runsToItsEnd:
            let run = try await under.submit(SlurmCluster.counts(30, every: 0.01))
            try await weft.wait(for: run, toBe: .succeeded)
            _ = try await SlurmCluster.hosts(of: run, numbers: 30, in: weft)
            let summary = try await weft.json(ProvenanceSummary.self, ["prov", "run", run])
            #expect(summary.elements.last?.instances.reduce(0) { $0 + $1.dataIn } == 30)
            let ended = try await weft.show(run)
            #expect(ended.attempts.count == 1 && ended.startedAt != nil && ended.endedAt != nil && ended.pending == nil)
        case .tellsWhichPEFailed:
            try await weft.register("raises")
            let run = try await under.submit(["test/raises", "-n", "2"])
            try await weft.wait(for: run, toBe: .failed)
            let failure = try #require(try await weft.show(run).failure)
            #expect(failure.cause == .exception && failure.element != nil && failure.traceback?.contains("Traceback") == true)
        case .keepsTheTimeLimit:
            let run = try await under.submit(SlurmCluster.counts(10_000, every: 1) + ["--time-limit", "2"])
            try await weft.wait(for: run, toBe: .failed)
            let ended = try await weft.show(run)
            #expect(ended.failure?.cause == .timeLimit && ended.attempts.count == 1, "\(String(describing: ended.failure))")
        case .saysWhyARunWaits:
            try await under.held {
                let run = try await weft.submit(SlurmCluster.counts(10, every: 0))
                try await wait(for: "a reason") { try await weft.show(run).pending?.reason.isEmpty == false }
                _ = try await weft.weft(["run", "cancel", run])
            }
        case .cancelsWhatWaits:
            try await under.held {
                let run = try await weft.submit(SlurmCluster.counts(10, every: 0))
                try await wait(for: "a reason") { try await weft.show(run).pending != nil }
                #expect(try await weft.weft(["run", "cancel", run]).status == 0)
                try await weft.wait(for: run, toBe: .cancelled)
                #expect(try await weft.json([RunResult].self, ["run", "results", run]).isEmpty)
            }
        case .cancelsWhatRuns:
            let run = try await under.submit(SlurmCluster.counts(10_000, every: 1))
            try await weft.wait(for: run, toBe: .running)
            #expect(try await weft.weft(["run", "cancel", run]).status == 0)
            try await weft.wait(for: run, toBe: .cancelled)
            #expect(Installation.processes(of: run).isEmpty)
        case .outlivesTheServer:
            let run = try await under.submit(SlurmCluster.counts(30, every: 0.3))
            try await weft.wait(for: run, toBe: .running)
            for process in weft.serverProcesses() { kill(process, SIGKILL) }
            try await wait(for: "the server to be gone") { weft.serverProcesses().isEmpty }
            try await weft.up()
            try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
            _ = try await SlurmCluster.hosts(of: run, numbers: 30, in: weft)
            #expect(try await weft.show(run).attempts.count == 1)
        case .tellsThatTheLauncherWasKilled:
            let run = try await under.submit(SlurmCluster.counts(10_000, every: 1))
            try await weft.wait(for: run, toBe: .running)
            for process in Installation.processes(of: run) { kill(process, SIGKILL) }
            try await weft.wait(for: run, toBe: .failed, seconds: 60)
            let failure = try #require(try await weft.show(run).failure)
            #expect([.launcher, .rank, .worker].contains(failure.cause), "\(failure)")
        case .triesAgainWhatFailed:
            try await weft.register("raises")
            let run = try await under.submit(["test/raises", "-n", "2", "--max-attempts", "2", "--retry-on", "error"])
            try await wait(for: "attempt 2") { try await weft.show(run).attempts.count == 2 }
            try await under.begin(run, 2)
            try await weft.wait(for: run, toBe: .failed)
            #expect(try await weft.show(run).attempts.map(\.failure?.cause) == [.exception, .exception])
        case .refusesWhatItCannotGive:
            let options = ["--reservation", "r", "--queue", "q", "--pe-label", "Place1=l"]
            let refused = try await weft.weft(["run", "submit"] + SlurmCluster.counts(1, every: 0) + options)
            #expect(refused.status == 1 && refused.error.contains("/needs/"), "\(refused)")
        }
    }
}
