// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// Three virtual hosts with an ssh server each.
    @Suite(.serialized, .enabled(if: TestCluster.isPossible, "virtual hosts take root"), .sshHosts)
    struct SSHTests {
        @Test(arguments: Contract.allCases) func keepsTheContract(_ behaviour: Contract) async throws { try await behaviour.check() }

        @Test func aRunSpreadsOverTheHosts() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(60, every: 0.01) + ["--nodes", "3"])
            try await weft.wait(for: run, toBe: .succeeded)
            #expect(try await SlurmCluster.hosts(of: run, numbers: 60, in: weft) == Set(SSHCluster.hosts))
            #expect(Set(try await weft.show(run).attempts[0].nodes?.map(\.node) ?? []) == Set(SSHCluster.hosts))
        }

        @Test func placesFollowLabels() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            try await weft.register("slow")
            let run = try await weft.submit([
                "test/slow", "-d", #"{"Numbers": [{"count": 5, "seconds": 0}]}"#, "-n", "4", "--layout", "spread", "--pe-label",
                "Sum2=scarce",
            ])
            try await weft.wait(for: run, toBe: .succeeded)
            let shown = try await weft.show(run)
            let scarce = try #require(shown.plan?.workers.first { shown.plan?.stages[$0.stage].elements == [2] }?.rank)
            let nodes = (shown.attempts[0].nodes ?? []).flatMap { share in (0..<share.ranks).map { _ in share.node } }
            #expect(nodes.indices.filter { nodes[$0] == "s3" } == [scarce], "\(nodes)")
            let never = try await weft.weft(["run", "submit", "test/slow", "--label", "gpu"])
            #expect(never.status == 1 && never.error.contains("no node has gpu"), "\(never)")
        }

        @Test func foldersThatAreNotSharedAreCopiedAndCollected() async throws {
            let (cluster, _) = try ClusterUnderTest.required()
            let weft = try await SSHCluster.weft(on: cluster, ["WEFT_SSH_SHARED_FOLDER": "false"])
            // Each host has a data folder of its own.
            for host in SSHCluster.hosts { try await cluster(["exec", host, "mount", "-t", "tmpfs", "tmpfs", weft.folder + "/server"]) }
            let run = try await weft.submit(SlurmCluster.counts(60, every: 0.01) + ["--nodes", "3"])
            try await weft.wait(for: run, toBe: .succeeded)
            #expect(try await SlurmCluster.hosts(of: run, numbers: 60, in: weft).count == 3)
            await weft.down()
        }

        @Test func cancellingLeavesNothingOnTheHosts() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(10_000, every: 1) + ["--nodes", "3"])
            try await weft.wait(for: run, toBe: .running)
            try await wait(for: "ranks on the hosts") { Installation.processes(of: run).count > 6 }
            _ = try await weft.weft(["run", "cancel", run])
            try await weft.wait(for: run, toBe: .cancelled)
            #expect(Installation.processes(of: run).isEmpty)
        }

        @Test func aHostThatIsCutOffSilentlyIsNamedWithinFifteenSecondsAndAvoided() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(40, every: 0.5) + ["--nodes", "2"])
            try await weft.wait(for: run, toBe: .running)
            try await wait(for: "first results") {
                try await !weft.json([RunResult].self, ["run", "results", run, "--attempt", "1"]).isEmpty
            }
            let lost = try #require(try await weft.show(run).attempts[0].nodes?.last?.node)
            try await cluster(["cut", lost])
            let start = ContinuousClock.now
            try await wait(for: "the failure", seconds: 30) { try await weft.show(run).attempts.count == 2 }
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            #expect(seconds < 15, "it took \(seconds) s")
            let failure = try #require(try await weft.show(run).attempts[0].failure)
            #expect(failure.cause == .node && failure.node == lost && failure.message.contains(lost), "\(failure)")
            try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
            #expect(try await !SlurmCluster.hosts(of: run, numbers: 40, in: weft).contains(lost))
            try await cluster(["mend", lost])
            try await wait(for: "nothing of attempt 1 to be left", seconds: 30) { Installation.processes(of: run).isEmpty }
        }
    }
}
