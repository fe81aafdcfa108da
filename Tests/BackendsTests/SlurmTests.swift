// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WorkflowModel

@testable import Backends

/// The samples are answers of Slurm 22.05.
@Suite struct SlurmTests {
    static func jobs(_ file: String) throws -> [String: SlurmJob] {
        Dictionary(try SlurmJob.list(try Samples.read(file)).map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    }

    @Test func readsTheQueue() throws {
        let jobs = try Self.jobs("squeue.json")
        let running = try #require(jobs["running"])
        #expect(running.state == .running && running.nodes == ["n1", "n3"] && running.end == nil)
        #expect(jobs["done"]?.end?.cause == .vanished, "without an exit status of its launcher")
        #expect(jobs["fail3"]?.end?.cause == .exited(3))
        #expect(jobs["killed9"]?.end?.cause == .exited(137))
        #expect(jobs["timeout"]?.end?.cause == .timeLimit)
        #expect(jobs["cancelled"]?.end?.cause == .cancelledOutside)
        #expect(jobs["preempted"]?.end?.cause == .preempted)
        let nodeFailure = try #require(jobs["nodefail"]?.end)
        #expect(nodeFailure.cause == .nodeFailure && nodeFailure.nodes == ["n2", "n3"] && nodeFailure.at != nil)
        #expect(jobs["preempted-requeued"]?.state == .pending)
    }

    @Test(arguments: [
        ("resources", "waits for nodes to become free"), ("priority", "waits behind jobs of higher priority"),
        ("held-by-user", "is held by its user"), ("later", "may not start yet"), ("partition-node-limit", "can never start"),
        ("partition-time-limit", "can never start"), ("bad-constraints", "can never start"),
        ("preempted-requeued", "needs nodes that are not available"),
    ])
    func saysWhyAJobWaits(_ name: String, _ words: String) throws {
        let job = try #require(try Self.jobs("squeue.json")[name])
        #expect(job.waitingSentence.hasPrefix("Slurm job \(job.id) \(words)"), "\(job.waitingSentence)")
        #expect(job.waitingSentence.contains(job.reason))
    }

    @Test func readsTheAccounts() throws {
        let jobs = try Self.jobs("sacct.json")
        #expect(jobs["running"]?.state == .running && jobs["running"]?.nodes == ["n1", "n3"])
        #expect(jobs["nodefail"]?.end?.cause == .nodeFailure)
        #expect(jobs["killed9"]?.end?.cause == .exited(137))
        #expect(jobs["fail3"]?.end?.cause == .vanished, "22.05 gives status 0 for it")
        #expect(jobs["partition-node-limit"]?.nodes == [])
        #expect(try SlurmJob.list(try Samples.read("sacct-nothing.json")).isEmpty)
    }

    @Test func readsTheRESTInterface() throws {
        let jobs = try Self.jobs("rest-jobs.json")
        #expect(jobs["fail3"]?.end?.cause == .exited(3) && jobs["running"]?.state == .running)
        #expect(try Self.jobs("rest-slurmdb-job.json")["rest"]?.state == .completed)
        #expect(try SlurmNode.list(try Samples.read("rest-nodes.json")).count == 5)
    }

    @Test func anAnswerWithoutAControllerPasses() throws {
        #expect { try SlurmJob.list(try Samples.read("squeue-unreachable.json")) } throws: { ($0 as? BackendError)?.isPassing == true }
        #expect(SlurmCommands.isPassing("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"))
        #expect(!SlurmCommands.isPassing("sbatch: error: Batch job submission failed: Invalid partition name specified"))
    }

    @Test func aJobThatIsCompletingIsNotOver() throws {
        let jobs = try SlurmJob.list(try Samples.read("squeue-completing.json"))
        #expect(!jobs.isEmpty && jobs.allSatisfy { $0.state == .completing && $0.end == nil })
    }

    @Test func readsTheFormsOfLaterReleases() throws {
        let json = """
            {"jobs": [{"job_id": 7, "name": "x", "job_state": ["FAILED"], "state_reason": "NonZeroExitCode", "nodes": "n[1-2]",
              "exit_code": {"status": ["ERROR"], "return_code": {"set": true, "infinite": false, "number": 9}, "signal": {"id": {"set": false, "infinite": false, "number": 0}, "name": ""}},
              "end_time": {"set": true, "infinite": false, "number": 1700000000}},
             {"job_id": 8, "name": "y", "job_state": ["RUNNING", "COMPLETING"]}, {"job_id": 9, "name": "z", "job_state": ["NEW_WORD"]}]}
            """
        let jobs = try SlurmJob.list(Array(json.utf8))
        #expect(jobs.count == 2 && jobs[0].end?.cause == .exited(9) && jobs[0].endedAt == Date(timeIntervalSince1970: 1_700_000_000))
        #expect(jobs[1].state == .completing)
    }

    @Test func readsNodes() throws {
        let nodes = try SlurmNode.list(try Samples.read("sinfo.json"))
        #expect(nodes.map(\.name) == ["n1", "n2", "n3", "n4", "n5"])
        #expect(nodes.map(\.state) == [.up, .down, .up, .up, .drained])
        #expect(nodes[1].reason == "Not responding" && nodes[4].reason == "disk replacement")
        #expect(nodes[0] == ClusterNode(name: "n1", cores: 4, memory: 4000, slots: 4, architecture: "x86_64", labels: ["small"]))
        #expect(Set(nodes.map(\.nodeClass)).count == 2)
    }

    @Test func expandsHostLists() {
        #expect(HostList.expand("n[1-3,07],login") == ["n1", "n2", "n3", "n07", "login"])
        #expect(HostList.expand("r[1-2]n[08-10]") == ["r1n08", "r1n09", "r1n10", "r2n08", "r2n09", "r2n10"])
        #expect(HostList.expand("") == [] && HostList.expand("a,b") == ["a", "b"])
        // Neither crashes nor goes on for ever, whatever it is given.
        let pieces = ["n", "[", "]", "-", ",", "1", "9", "99999999", "3-1"]
        for _ in 0..<2000 { _ = HostList.expand((0..<Int.random(in: 0...12)).compactMap { _ in pieces.randomElement() }.joined()) }
    }

    static func launch(_ needs: RunNeeds, avoided: Set<String> = []) -> Launch {
        Launch(
            run: RunID(milliseconds: 1, random: [UInt8](repeating: 7, count: 10)), attempt: 2, folder: RunFolder(path: "/data/runs/r/2"),
            resources: ResourceRequest(ranks: 7, memoryPerRank: 300, needs: needs), avoided: avoided)
    }

    @Test func asksForWhatTheRunNeeds() throws {
        let needs = RunNeeds(timeLimit: 61, nodes: 3, labels: ["big"], account: "lab", constraint: "ib")
        let request = try SlurmRequest(
            Self.launch(needs, avoided: ["n2", "gone"]), nodes: SlurmNode.list(try Samples.read("sinfo.json")),
            defaults: RunNeeds(partition: "batch", account: "other"))
        #expect(
            request.options == [
                "--job-name=weft-\(Self.launch(needs).run)-2", "--comment=Weft \(Self.launch(needs).run), attempt 2", "--ntasks=7",
                "--cpus-per-task=1", "--mem-per-cpu=300M", "--no-requeue", "--open-mode=append", "--chdir=/data/runs/r/2/launcher",
                "--output=/data/runs/r/2/launcher/slurm.out", "--nodes=3", "--ntasks-per-node=3", "--time=3", "--partition=batch",
                "--account=lab", "--constraint=ib&big", "--exclude=n2",
            ])
        guard case .object(let job) = SlurmREST.job(request) else { return #expect(Bool(false)) }
        #expect(job["tasks"] == 7 && job["nodes"] == [3, 3] && job["time_limit"] == 3 && job["excluded_nodes"] == ["n2"])
        #expect(job["requeue"] == .bool(false) && job["constraints"] == "ib&big" && job["memory_per_cpu"] == 300)
    }

    @Test func theScriptStartsTheRanksOnce() {
        let slurm = Slurm(.init(rankProgram: "/data/programs/weft-rank", launcher: .srun, moduleSetup: "/etc/modules.sh"))
        let text = slurm.script(for: Self.launch(RunNeeds(modules: ["GCC/12", "it's"]))).text
        #expect(text.hasPrefix("#!/bin/sh\n"))
        #expect(text.contains("\nmkdir claimed 2>/dev/null || exit 0\n"))
        #expect(text.contains(". /etc/modules.sh > output 2>&1 && module load GCC/12 'it'\\''s' >> output"))
        #expect(
            text.contains("\nsrun --mpi=pmix --ntasks=7 --kill-on-bad-exit=1 /data/programs/weft-rank /data/runs/r/2 > ../launcher/output"))
    }

    @Test func namesTheRankThatSrunLost() {
        let report = SlurmOutput("srun: error: n3: task 1: Killed\nsrun: Terminating StepId=4.0\n").explain(
            LaunchEnd(.exited(137)), plan: MPIRunOutputTests.plan, graph: MPIRunOutputTests.graph)
        #expect(report.cause == .rank && report.rank == 1 && report.node == "n3" && report.element == "Sum1")
    }
}
