// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// `make test-kubernetes` runs these: the API server has to be built first.
    @Suite(.serialized, .enabled(if: KubernetesCluster.isWanted, "make test-kubernetes runs them"), .kubernetes)
    struct KubernetesTests {
        @Test(arguments: Contract.allCases) func keepsTheContract(_ behaviour: Contract) async throws { try await behaviour.check() }

        private func restart(_ weft: Installation) async throws {
            for process in weft.serverProcesses() { kill(process, SIGKILL) }
            try await wait(for: "the server to be gone") { weft.serverProcesses().isEmpty }
            try await weft.up()
        }

        @Test func aRunIsCreatedRunsAndSucceedsThroughRestartsOfTheServer() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(20, every: 0.3))
            try await KubernetesCluster.waitingReason(run, in: weft, holds: "are being started")
            try await restart(weft)
            try await KubernetesCluster.waitingReason(run, in: weft, holds: "are being started")
            try KubernetesCluster.release(run, as: "succeeded")
            try await weft.wait(for: run, toBe: .running)
            try await restart(weft)
            try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
            _ = try await SlurmCluster.hosts(of: run, numbers: 20, in: weft)
            #expect(try await weft.show(run).attempts.count == 1)
        }

        @Test(arguments: [
            ("succeeded", nil), ("failed-backoff-limit", FailureReport.Cause.launcher), ("launcher-oom-killed", .memory),
            ("worker-evicted", .node),
        ]) func whatHappensWhileTheServerIsAwayIsToldAfterwards(_ scenario: String, _ cause: FailureReport.Cause?) async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(5, every: 0) + ["--max-attempts", "1"])
            try await KubernetesCluster.waitingReason(run, in: weft, holds: "are being started")
            for process in weft.serverProcesses() { kill(process, SIGKILL) }
            try await wait(for: "the server to be gone") { weft.serverProcesses().isEmpty }
            try KubernetesCluster.release(run, as: scenario)
            try await wait(for: "the MPIJob to end") {
                let types = "jsonpath={.status.conditions[?(@.status==\"True\")].type}"
                let found = try await cluster.run(["kubectl", "-n", "weft", "get", "mpijob", KubernetesCluster.name(of: run), "-o", types])
                return found.contains("Succeeded") || found.contains("Failed")
            }
            try await weft.up()
            try await weft.wait(for: run, toBe: cause == nil ? .succeeded : .failed)
            #expect(try await weft.show(run).failure?.cause == cause)
        }

        @Test func aRunOutlivesTheAPIServer() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(20, every: 0.4))
            try await KubernetesCluster.waitingReason(run, in: weft, holds: "are being started")
            try KubernetesCluster.release(run, as: "succeeded")
            try await weft.wait(for: run, toBe: .running)
            try await cluster(["restart", "2"])
            try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
            #expect(try await weft.show(run).attempts.count == 1)
        }

        @Test func aLauncherThatFailsToTheBackoffLimitIsAFailure() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(5, every: 0))
            try KubernetesCluster.release(run, as: "failed-backoff-limit")
            try await weft.wait(for: run, toBe: .failed)
            let failure = try #require(try await weft.show(run).failure)
            #expect(failure.cause == .launcher && failure.exitStatus != nil, "\(failure)")
        }

        @Test func aFailureOfThePEIsToldByTheRank() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            try await weft.register("raises")
            let run = try await weft.submit(["test/raises", "-n", "2"])
            try KubernetesCluster.release(run, as: "succeeded")
            try await weft.wait(for: run, toBe: .failed)
            #expect(try await weft.show(run).failure?.cause == .exception)
        }

        @Test func anEvictedWorkerMeansAnotherAttempt() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(5, every: 0))
            try KubernetesCluster.release(run, as: "worker-evicted")
            try await wait(for: "attempt 2", seconds: 60) { try await weft.show(run).attempts.count == 2 }
            let failure = try #require(try await weft.show(run).attempts[0].failure)
            #expect(failure.cause == .node && failure.message.contains("low on resource"), "\(failure)")
            try KubernetesCluster.release(run, attempt: 2, as: "succeeded")
            try await weft.wait(for: run, toBe: .succeeded)
        }

        @Test func aLauncherOutOfMemoryIsNamedAsSuch() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(5, every: 0))
            try KubernetesCluster.release(run, as: "launcher-oom-killed")
            try await weft.wait(for: run, toBe: .failed)
            let failure = try #require(try await weft.show(run).failure)
            #expect(failure.cause == .memory && failure.message.contains("OOM-killed"), "\(failure)")
        }

        @Test func anImageThatCannotBePulledAndNodesWithoutRoomAreSaid() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            for (scenario, words) in [("image-pull", "cannot be pulled"), ("unschedulable", "no node has room")] {
                let run = try await weft.submit(SlurmCluster.counts(5, every: 0))
                try KubernetesCluster.release(run, as: scenario)
                try await KubernetesCluster.waitingReason(run, in: weft, holds: words)
                try await restart(weft)
                try await KubernetesCluster.waitingReason(run, in: weft, holds: words)
                _ = try await weft.weft(["run", "cancel", run])
                try await weft.wait(for: run, toBe: .cancelled)
            }
        }

        @Test func aRunIsCancelledBeforeAndWhileItRuns() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let waiting = try await weft.submit(SlurmCluster.counts(5, every: 0))
            try await KubernetesCluster.waitingReason(waiting, in: weft, holds: "are being started")
            let running = try await weft.submit(SlurmCluster.counts(10_000, every: 1))
            try KubernetesCluster.release(running, as: "succeeded")
            try await weft.wait(for: running, toBe: .running)
            for run in [waiting, running] {
                _ = try await weft.weft(["run", "cancel", run])
                try await restart(weft)
                try await weft.wait(for: run, toBe: .cancelled)
                try await wait(for: "its objects to be gone") {
                    try await cluster.run(["kubectl", "-n", "weft", "get", "mpijobs,pods", "-o", "name"]).contains(
                        KubernetesCluster.name(of: run)) == false
                }
            }
            #expect(Installation.processes(of: running).isEmpty)
        }

        @Test func anMPIJobThatSomebodyDeletesIsAFailureThatSaysSo() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(5, every: 0))
            try await KubernetesCluster.waitingReason(run, in: weft, holds: "are being started")
            try await cluster.run(["kubectl", "-n", "weft", "delete", "mpijob", KubernetesCluster.name(of: run)])
            try await weft.wait(for: run, toBe: .failed)
            #expect(try await weft.show(run).failure?.message.contains("outside of Weft") == true)
        }
    }
}
