// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// A real Slurm, with accounting, on five virtual hosts.
    @Suite(.serialized, .enabled(if: TestCluster.isPossible, "virtual hosts take root"), .slurm)
    struct SlurmTests {
        @Test(arguments: Contract.allCases) func keepsTheContract(_ behaviour: Contract) async throws { try await behaviour.check() }

        @Test func theSeismologyExampleOnThreeNodesHasTheExpectedResults() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            try #require(ProcessInfo.processInfo.environment["WEFT_TEST_PYTHON"] != nil, "WEFT_TEST_PYTHON must name a Python with ObsPy")
            let local = try await Installation.start(environment: ["WEFT_PYTHON_INTERPRETER": python])
            let onOneHost = try await seismology(["-n", "6"], in: local)
            await local.down()
            let onThreeNodes = try await seismology(["-n", "6", "--nodes", "3"], in: weft)
            #expect(onThreeNodes.count == onOneHost.count)
        }

        @Test func ordersOfOperatorsAreLeftToSlurm() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            let node = try #require(try await weft.json([NodeStatus].self, ["node", "list"]).first).node.name
            for command in [
                ["node", "cordon", node], ["maintenance", "add", "power", "--all", "--from", "now", "--for", "1h"],
                ["quota", "set", "all", "--ranks", "100"],
            ] {
                let refused = try await weft.weft(command)
                #expect(refused.status == 1 && refused.error.contains("own engine"), "\(refused)")
            }
            #expect(try await weft.json([NodeStatus].self, ["node", "list"]).allSatisfy { $0.order == nil })
        }

        private var python: String { ProcessInfo.processInfo.environment["WEFT_TEST_PYTHON"] ?? "/usr/bin/python3" }

        /// Results that `check.py` has compared with the expected ones.
        private func seismology(_ options: [String], in weft: Installation) async throws -> [RunResult] {
            let folder = Program.root.appending(path: "workflows/seismology").path()
            let registered = try await weft.weft(["graph", "register", folder + "/cross_correlation.py", "--name", "test/seismology"])
            try #require(registered.status == 0, "\(registered)")
            let inputs = try await Program.run(python, [folder + "/prepare.py", weft.folder + "/seismology"])
            let path = inputs.output.trimmingCharacters(in: .whitespacesAndNewlines)
            let run = try await weft.submit(["test/seismology", "-f", path] + options)
            try await weft.wait(for: run, toBe: .succeeded, seconds: 120)
            let listed = try await weft.weft(["run", "results", run, "--limit", "0", "-o", "json"])
            try listed.output.write(toFile: weft.folder + "/results.json", atomically: true, encoding: .utf8)
            let checked = try await Program.run(python, [folder + "/check.py", weft.folder + "/results.json"])
            #expect(checked.status == 0, "\(checked)")
            return try WireJSON.decode([RunResult].self, from: listed.output.utf8)
        }

        @Test func aRunSpreadsOverTheNodesItAskedFor() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(60, every: 0.01) + ["--nodes", "3"])
            try await weft.wait(for: run, toBe: .succeeded)
            #expect(try await SlurmCluster.hosts(of: run, numbers: 60, in: weft).count == 3)
            let big = try await weft.submit(SlurmCluster.counts(60, every: 0.01) + ["--nodes", "2", "--label", "big"])
            try await weft.wait(for: big, toBe: .succeeded)
            #expect(try await SlurmCluster.hosts(of: big, numbers: 60, in: weft).isSubset(of: ["n3", "n4", "n5"]))
        }

        @Test func ranksRunOnNodesOfTheClassThatTheirPEsNeed() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            try await weft.register("places")
            let run = try await weft.submit(SlurmCluster.places(20, every: 0.01))
            try await weft.wait(for: run, toBe: .succeeded)
            try await SlurmCluster.expectPlaces(of: run, in: weft)
            #expect(try await SlurmCluster.jobs(of: run, on: cluster).count == 1)

            let long = try await weft.submit(SlurmCluster.places(10_000, every: 1))
            try await weft.wait(for: long, toBe: .running)
            try await wait(for: "ranks on the nodes") { Installation.processes(of: long).count > 8 }
            #expect(try await weft.weft(["run", "cancel", long]).status == 0)
            try await weft.wait(for: long, toBe: .cancelled)
            try await wait(for: "its job to end") { try await !cluster.run(["squeue", "--noheader", "--format=%j"]).contains(long) }
            #expect(Installation.processes(of: long).isEmpty)

            try await SlurmCluster.drained(cluster, "new disks") {
                let waiting = try await weft.submit(SlurmCluster.places(10, every: 0))
                try await SlurmCluster.waitingReason(waiting, in: weft, holds: "new disks")
                #expect(try await weft.weft(["run", "cancel", waiting]).status == 0)
                try await weft.wait(for: waiting, toBe: .cancelled)
            }
        }

        /// In the first component, whose node has the launcher, and in the other.
        @Test(arguments: ["big", "small"]) func aKilledNodeOfOneClassMeansAnotherAttemptOnOthers(_ label: String) async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            try await weft.register("places")
            let run = try await weft.submit(SlurmCluster.places(60, every: 0.3))
            try await weft.wait(for: run, toBe: .running)
            try await wait(for: "first words") { try await !weft.weft(["run", "logs", run]).output.isEmpty }
            let nodes = try await cluster.run(["squeue", "--noheader", "--states=running", "--format=%j %N"]).split(separator: "\n")
                .filter { $0.contains(run) }.flatMap { $0.split(separator: " ").dropFirst().map(String.init) }
            let lost = try #require(nodes.first { (label == "big") == ["n3", "n4", "n5"].contains($0) }, "\(nodes)")
            try await cluster(["crash", lost])
            try await weft.wait(for: run, toBe: .succeeded, seconds: 90)
            let ended = try await weft.show(run)
            #expect(ended.attempts.count == 2)
            let first = try #require(ended.attempts.first?.failure)
            #expect(first.cause == .node && first.node == lost, "\(first)")
            try await SlurmCluster.expectPlaces(of: run, in: weft)
            try await cluster(["boot", lost])
        }

        /// More than once, if need be: see `Slurm.Launcher`.
        @Test func srunStartsTheRanksToo() async throws {
            let (cluster, _) = try ClusterUnderTest.required()
            let weft = try await SlurmCluster.weft(on: cluster, ["WEFT_SLURM_LAUNCHER": "srun"])
            let run = try await weft.submit(
                SlurmCluster.counts(60, every: 0.01) + ["--nodes", "3", "--max-attempts", "5", "--retry-on", "error"])
            try await weft.wait(for: run, toBe: .succeeded)
            #expect(try await SlurmCluster.hosts(of: run, numbers: 60, in: weft).count == 3)
            let refused = try await weft.weft(["run", "submit"] + SlurmCluster.counts(1, every: 0) + ["--pe-label", "Place1=big"])
            #expect(refused.status == 1 && refused.error.contains("/needs/elements"), "\(refused)")
            #expect(refused.error.contains("slurm.launcher: mpirun"), "\(refused)")
            await weft.down()
        }

        @Test func slurmrestdDoesAsWellAsTheCommands() async throws {
            let (cluster, _) = try ClusterUnderTest.required()
            let token = FileManager.default.temporaryDirectory.appending(path: "weft-\(UUID().uuidString).jwt").path()
            try await cluster(["token", "root"]).write(toFile: token, atomically: true, encoding: .utf8)
            defer { try? FileManager.default.removeItem(atPath: token) }
            let url = try #require(cluster.variables["SLURM_REST_URL"])
            let weft = try await SlurmCluster.weft(
                on: cluster,
                ["WEFT_SLURM_INTERFACE": "rest", "WEFT_SLURM_URL": url, "WEFT_SLURM_USER": "root", "WEFT_SLURM_TOKEN_FILE": token])
            let run = try await weft.submit(SlurmCluster.counts(60, every: 0.01) + ["--nodes", "3", "--time-limit", "5m"])
            try await weft.wait(for: run, toBe: .succeeded)
            #expect(try await SlurmCluster.hosts(of: run, numbers: 60, in: weft).count == 3)
            let long = try await weft.submit(SlurmCluster.counts(10_000, every: 1))
            try await weft.wait(for: long, toBe: .running)
            _ = try await weft.weft(["run", "cancel", long])
            try await weft.wait(for: long, toBe: .cancelled)
            #expect(try await SlurmCluster.jobs(of: long, on: cluster).count == 1)
            try await weft.register("places")
            let places = try await weft.submit(SlurmCluster.places(20, every: 0.01))
            try await weft.wait(for: places, toBe: .succeeded)
            try await SlurmCluster.expectPlaces(of: places, in: weft)
            await weft.down()
        }

        @Test func aRunIsCancelledInTheQueueAndOnTheNodes() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let running = try await weft.submit(SlurmCluster.counts(10_000, every: 1))
            try await weft.wait(for: running, toBe: .running)
            try await SlurmCluster.drained(cluster, "new disks") {
                let waiting = try await weft.submit(SlurmCluster.counts(10, every: 0))
                try await SlurmCluster.waitingReason(waiting, in: weft, holds: "new disks")
                for run in [waiting, running] {
                    #expect(try await weft.weft(["run", "cancel", run]).status == 0)
                    try await weft.wait(for: run, toBe: .cancelled)
                    try await wait(for: "its job to end") {
                        try await !cluster.run(["squeue", "--noheader", "--format=%j"]).contains(run)
                    }
                }
            }
            #expect(Installation.processes(of: running).isEmpty)
        }

        @Test func theTimeLimitIsKeptToTheSecondAndSaysWhatRan() async throws {
            let (_, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(10_000, every: 1) + ["--time-limit", "3", "--max-attempts", "3"])
            try await weft.wait(for: run, toBe: .failed)
            let failed = try await weft.show(run)
            #expect(failed.failure?.cause == .timeLimit && failed.failure?.message.contains("time limit of 3 s") == true)
            #expect(failed.attempts.count == 1)
        }

        @Test func aDrainedClusterHoldsARunUntilItIsResumed() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let run = try await SlurmCluster.drained(cluster, "new cables") {
                let run = try await weft.submit(SlurmCluster.counts(10, every: 0))
                try await SlurmCluster.waitingReason(run, in: weft, holds: "n1 is drained (new cables")
                #expect(try await weft.show(run).state == .starting)
                return run
            }
            try await weft.wait(for: run, toBe: .succeeded)
            #expect(try await weft.show(run).pending == nil)
        }

        @Test func whatCanNeverStartAndWhatIsHeldAreToldApart() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let never = try await weft.submit(SlurmCluster.counts(10, every: 0) + ["--partition", "short", "--time-limit", "2h"])
            try await SlurmCluster.waitingReason(never, in: weft, holds: "can never start")
            let (held, job) = try await SlurmCluster.drained(cluster, "hold") {
                let held = try await weft.submit(SlurmCluster.counts(10, every: 0))
                try await wait(for: "the job") { try await !SlurmCluster.jobs(of: held, on: cluster).isEmpty }
                let job = try await SlurmCluster.jobs(of: held, on: cluster)[0]
                try await cluster.run(["scontrol", "hold", job])
                return (held, job)
            }
            try await SlurmCluster.waitingReason(held, in: weft, holds: "is held by")
            try await cluster.run(["scontrol", "release", job])
            try await weft.wait(for: held, toBe: .succeeded)
            _ = try await weft.weft(["run", "cancel", never])
            try await weft.wait(for: never, toBe: .cancelled)

            // What Slurm refuses at once fails with its words.
            let refused = try await weft.submit(SlurmCluster.counts(10, every: 0) + ["--partition", "nowhere"])
            try await weft.wait(for: refused, toBe: .failed)
            #expect(try await weft.show(refused).failure?.message.contains("nvalid partition") == true)
        }

        @Test func aJobThatAnOperatorCancelsIsAFailureThatSaysSo() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(10_000, every: 1))
            try await weft.wait(for: run, toBe: .running)
            try await cluster.run(["scancel"] + SlurmCluster.jobs(of: run, on: cluster))
            try await weft.wait(for: run, toBe: .failed)
            #expect(try await weft.show(run).failure?.message.contains("outside of Weft") == true)
        }

        @Test func aKilledNodeMeansAnotherAttemptOnOthers() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(40, every: 0.5) + ["--nodes", "2"])
            try await weft.wait(for: run, toBe: .running)
            try await wait(for: "first results") {
                try await !weft.json([RunResult].self, ["run", "results", run, "--attempt", "1"]).isEmpty
            }
            let job = try await SlurmCluster.jobs(of: run, on: cluster)[0]
            let nodes = try await cluster.run(["squeue", "--noheader", "--jobs=\(job)", "--format=%N"])
            let hosts = try await cluster.run(["scontrol", "show", "hostnames", nodes.trimmingCharacters(in: .whitespacesAndNewlines)])
            let lost = String(try #require(hosts.split(separator: "\n").last))
            try await cluster(["crash", lost])
            try await wait(for: "attempt 2 to run", seconds: 60) {
                let now = try await weft.show(run)
                return now.attempts.count == 2 && now.state == .running
            }
            try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
            let ended = try await weft.show(run)
            let first = try #require(ended.attempts.first?.failure)
            #expect(first.cause == .node && first.node == lost, "\(first)")
            #expect(try await !SlurmCluster.hosts(of: run, numbers: 40, in: weft).contains(lost))
            // What the first attempt had recorded is kept.
            #expect(try await !weft.json([RunResult].self, ["run", "results", run, "--attempt", "1"]).isEmpty)
            let summary = try await weft.json(ProvenanceSummary.self, ["prov", "run", run, "--attempt", "1"])
            #expect(summary.elements.contains { $0.instances.contains { $0.dataIn > 0 } })
            try await cluster(["boot", lost])
        }

        @Test func aPreemptedRunIsTriedAgain() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(30, every: 0.3))
            try await weft.wait(for: run, toBe: .running)
            let urgent = try await cluster.run([
                "sbatch", "--parsable", "--partition=urgent", "--nodes=5", "--exclusive", "--output=/dev/null", "--wrap=sleep 1",
            ])
            try await wait(for: "attempt 2", seconds: 60) { try await weft.show(run).attempts.count == 2 }
            try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
            #expect(try await weft.show(run).attempts.first?.failure?.cause == .preemption, "after job \(urgent)")
        }

        @Test func aRunOutlivesTheController() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            let run = try await weft.submit(SlurmCluster.counts(150, every: 0.5))
            try await weft.wait(for: run, toBe: .running)
            try await cluster(["stop-controller"])
            let other = try await weft.submit(SlurmCluster.counts(10, every: 0))
            let before = try await weft.json([RunResult].self, ["run", "results", run, "--limit", "0"]).count
            try await wait(for: "results without a controller") {
                try await weft.json([RunResult].self, ["run", "results", run, "--limit", "0"]).count > before
            }
            #expect(try await weft.show(run).state == .running)
            try await cluster(["start-controller"])
            try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
            try await weft.wait(for: other, toBe: .succeeded, seconds: 60)
            #expect(try await SlurmCluster.jobs(of: other, on: cluster).count == 1)
        }

        @Test(arguments: [[], ["--pe-label", "Place1=big"]])
        func aServerKilledBetweenSubmitAndRecordSubmitsOnce(_ labels: [String]) async throws {
            let (cluster, _) = try ClusterUnderTest.required()
            let folder = "/tmp/weft-fault-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            // Slurm's own sbatch, whose answer the server does not live to see.
            let fault = """
                #!/bin/sh
                answer=$(/usr/bin/sbatch "$@") || exit
                [ ! -e \(folder)/server ] || { kill -9 $(cat \(folder)/server); mv \(folder)/server \(folder)/killed; }
                echo "$answer"
                """
            try fault.write(toFile: folder + "/sbatch", atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/sbatch")
            let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin"
            let weft = try await SlurmCluster.weft(on: cluster, ["PATH": "\(folder):\(path)"])
            let server = try #require(weft.serverProcesses().first)
            try "\(server)".write(toFile: folder + "/server", atomically: true, encoding: .utf8)
            let run = try await weft.submit(SlurmCluster.counts(10, every: 0) + labels)
            try await wait(for: "the server to be killed") {
                FileManager.default.fileExists(atPath: folder + "/killed") && weft.serverProcesses().isEmpty
            }
            try await weft.up()
            try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
            #expect(try await weft.show(run).attempts.count == 1)
            #expect(try await SlurmCluster.jobs(of: run, on: cluster).count == 1)
            await weft.down()
        }

        @Test func twoHundredRunsAreAllAccountedFor() async throws {
            let (cluster, weft) = try ClusterUnderTest.required()
            try await weft.register("quick")
            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<200 {
                    group.addTask { try await weft.submit(["test/quick", "-d", #"{"One": 3}"#, "--idempotency-key", "slurm-\(index)"]) }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(ids.count == 200)
            try await wait(for: "all runs to end", seconds: 400) {
                try await weft.json([Run].self, ["run", "list", "--limit", "1000", "--graph", "test/quick"]).allSatisfy(\.state.isFinal)
            }
            let all = try await weft.json([Run].self, ["run", "list", "--limit", "1000", "--graph", "test/quick"])
            #expect(Set(all.map(\.id.description)) == ids)
            let others = all.filter { $0.state != .succeeded || $0.attempts.count != 1 }
            #expect(others.isEmpty, "\(others.prefix(3).map { "\($0.id) \($0.state): \($0.failure?.message ?? "no failure")" })")
            // Accounts are written after the end.
            try await wait(for: "200 jobs in the accounts") {
                let recorded = try await cluster.run(["sacct", "-nX", "--format=JobName%60,State", "--starttime=now-1hour"])
                let jobs = recorded.split(separator: "\n").filter { line in ids.contains { line.contains($0) } }
                #expect(jobs.count <= 200)
                return jobs.count { $0.contains("COMPLETED") } == 200
            }
        }
    }
}
