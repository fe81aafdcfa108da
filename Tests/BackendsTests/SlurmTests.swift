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

    @Test(arguments: ["squeue-heterogeneous.json", "sacct-heterogeneous.json"]) func aHeterogeneousJobIsOneJob(_ file: String) throws {
        let all = try SlurmJob.list(try Samples.read(file))
        #expect(all.map(\.id) == [78, 80, 82, 84, 86, 88], "the number of each is that of its first component")
        let jobs = try Self.jobs(file)
        #expect(jobs["het-running"]?.state == .running && jobs["het-running"]?.nodes == ["n1", "n3"])
        let lost = try #require(jobs["het-nodefail"]?.end)
        #expect(lost.cause == .nodeFailure && lost.nodes == ["n1", "n3"] && lost.at != nil)
        #expect(jobs["het-cancelled"]?.end?.cause == .cancelledOutside)
        #expect(jobs["het-never"]?.waitingSentence.hasPrefix("Slurm job 84 can never start") == true, "for want of its second component")
    }

    @Test func readsTheStatusOfAHeterogeneousJob() throws {
        #expect(try Self.jobs("squeue-heterogeneous.json")["het-fail3"]?.end?.cause == .exited(3))
    }

    @Test(arguments: [
        (["RUNNING", "NODE_FAIL"], SlurmJob.State.running), (["COMPLETED", "COMPLETING"], .completing),
        (["CANCELLED", "NODE_FAIL"], .nodeFail), (["COMPLETED", "CANCELLED"], .cancelled), (["FAILED", "COMPLETED"], .failed),
        (["FAILED", "TIMEOUT"], .timeout),
    ])
    func aHeterogeneousJobIsOverWithItsLastComponent(_ states: [String], _ state: SlurmJob.State) throws {
        let jobs = states.indices.map { offset in
            """
            {"job_id": \(5 + offset), "name": "x", "job_state": "\(states[offset])", "het_job_id": {"set": true, "infinite": false, "number": 5},
             "het_job_offset": {"set": true, "infinite": false, "number": \(offset)}, "exit_code": 256, "end_time": \(1000 + offset)}
            """
        }
        // In whichever order.
        for entries in [jobs, jobs.reversed()] {
            let read = try SlurmJob.list(Array("{\"jobs\": [\(entries.joined(separator: ","))]}".utf8))
            #expect(read.count == 1 && read[0].id == 5 && read[0].state == state)
            #expect(read[0].endedAt == (state.isFinal ? Date(timeIntervalSince1970: 1001) : nil))
        }
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

    static func launch(_ needs: RunNeeds, blocks: [RankBlock] = [], avoided: Set<String> = [], folder: String = "/data/runs/r/2") -> Launch
    {
        Launch(
            run: RunID(milliseconds: 1, random: [UInt8](repeating: 7, count: 10)), attempt: 2, folder: RunFolder(path: folder),
            resources: ResourceRequest(ranks: 7, memoryPerRank: 300, needs: needs, blocks: blocks), avoided: avoided)
    }

    /// Ranks 0, 3, 4 and 6 need nothing.
    static let blocks = [
        RankBlock(ranks: 1, labels: []), RankBlock(ranks: 2, labels: ["gpu", "big"]), RankBlock(ranks: 2, labels: ["big"]),
        RankBlock(ranks: 1, labels: ["gpu"]), RankBlock(ranks: 1, labels: []),
    ]

    @Test func asksForAComponentForEachSetOfLabels() throws {
        // What all nodes have makes no difference between them.
        let needs = RunNeeds(timeLimit: 60, labels: ["big"], partition: "batch", constraint: "ib")
        let request = SlurmRequest(Self.launch(needs, blocks: Self.blocks), nodes: [], defaults: RunNeeds())
        #expect(request.components == [.init(ranks: 3, constraint: "ib&big&gpu"), .init(ranks: 4, constraint: "ib&big")])
        let components = request.options.split(separator: ":").map(Array.init)
        #expect(components.count == 2 && components.allSatisfy { $0.contains("--partition=batch") && $0.contains("--time=2") })
        #expect(components.allSatisfy { $0[0].hasPrefix("--job-name=weft-") && $0.contains("--mem-per-cpu=300M") })
        #expect(
            components.map { $0.filter { $0.hasPrefix("--ntasks") || $0.hasPrefix("--constraint") } } == [
                ["--ntasks=3", "--constraint=ib&big&gpu"], ["--ntasks=4", "--constraint=ib&big"],
            ])
        guard case .object(let body) = SlurmREST.submission(request, script: "#!") else { return #expect(Bool(false)) }
        #expect(Set(body.keys) == ["script", "jobs"] && body["script"] == "#!")
        let jobs = (body["jobs"]?.arrayValue ?? []).compactMap { if case .object(let job) = $0 { job } else { nil } }
        #expect(jobs.map { $0["tasks"] } == [3, 4] && jobs.map { $0["constraints"] } == ["ib&big&gpu", "ib&big"])
        #expect(jobs.allSatisfy { $0["partition"] == "batch" && $0["time_limit"] == 2 && $0["memory_per_cpu"] == 300 })
    }

    @Test func equalLabelsOfAllRanksMakeAnOrdinaryJob() {
        let launch = Self.launch(RunNeeds(), blocks: [RankBlock(ranks: 7, labels: ["big"])])
        let request = SlurmRequest(launch, nodes: [], defaults: RunNeeds())
        #expect(request.components == [.init(ranks: 7, constraint: "big")] && !request.options.contains(":"))
        let script = Slurm(.init(rankProgram: "/p/weft-rank")).script(for: launch).text
        #expect(script.contains("\nmpirun -n 7 --bind-to none /p/weft-rank /data/runs/r/2 > ../launcher/output"))
    }

    @Test func srunCannotOrderRanksByComponent() {
        #expect(Slurm(.init(rankProgram: "r")).capabilities.needs.contains(.elements))
        let capabilities = Slurm(.init(rankProgram: "r", launcher: .srun)).capabilities
        #expect(!capabilities.needs.contains(.elements))
        #expect(capabilities.refusals[.elements]?.contains("slurm.launcher: mpirun") == true)
    }

    /// The scripts themselves, with stand-ins for what they call.
    @Test func eachRankGetsAPlaceInItsComponent() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "weft it's \(UUID().uuidString)").path()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let launch = Self.launch(RunNeeds(), blocks: Self.blocks, folder: folder)
        for path in [launch.folder.work, launch.folder.launcher, folder + "/bin"] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        for script in SlurmComponents(launch.resources).scripts(mpirun: "mpirun", rank: ["/p/weft rank", folder]) {
            try script.text.write(toFile: "\(launch.folder.launcher)/\(script.name)", atomically: true, encoding: .utf8)
        }
        let stubs = ["scontrol": "printf %s \"$3\" | tr , '\\n'", "mpirun": "printf '%s|' \"$@\"", "srun": "echo \"$1 $2\""]
        for (name, text) in stubs {
            try "#!/bin/sh\n\(text)\n".write(toFile: "\(folder)/bin/\(name)", atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(folder)/bin/\(name)")
        }
        func run(_ words: [String], _ tasks: [String]) async throws -> Command.Result {
            let nodes = ["g1", "n1.example.org,n2", "g2", "n3,n4"]
            var variables = ["PATH": "\(folder)/bin:/usr/bin:/bin"]
            for index in tasks.indices {
                variables["SLURM_JOB_NODELIST_HET_GROUP_\(index)"] = nodes[index]
                variables["SLURM_TASKS_PER_NODE_HET_GROUP_\(index)"] = tasks[index]
            }
            let command = ["sh", "-c", "cd \"$0\" && exec \"$@\"", launch.folder.work] + words
            return try await Command(command, seconds: 20, environment: variables).run()
        }
        // Components: big and gpu (2), big (2), gpu (1), none (2).
        let tasks = ["2", "1(x2)", "1", "1,1"]
        let started = try await run(SlurmComponents.command, tasks)
        #expect(started.status == 0 && started.output.contains("-n|7|--bind-to|none|--map-by|seq|"), "\(started)")
        #expect(started.output.contains("|plm_rsh_agent|sh ../launcher/agent.sh|") && started.output.hasSuffix("|/p/weft rank|\(folder)|"))
        let hosts = try String(contentsOfFile: launch.folder.launcher + "/hosts", encoding: .utf8).split(separator: "\n")
        #expect(hosts == ["n3", "g1", "g1", "n1.example.org", "n2", "g2", "n4"])
        for (host, answer) in [("n1", "--het-group=1 --nodelist=n1.example.org"), ("g2", "--het-group=2 --nodelist=g2")] {
            let agent = try await run(["sh", "../launcher/agent.sh", host, "orted", "-mca"], tasks)
            #expect(agent.output == answer + "\n", "\(agent)")
        }
        #expect(try await run(["sh", "../launcher/agent.sh", "n", "orted"], tasks).status == 71)
        let short = try await run(SlurmComponents.command, ["2", "1", "1", "1,1"])
        #expect(short.status == 71 && short.output.contains("places to 6 of 7 ranks"), "\(short)")
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
        guard case .object(let body) = SlurmREST.submission(request, script: "#!"), case .object(let job)? = body["job"] else {
            return #expect(Bool(false))
        }
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

    @Test func aDaemonOfOpenMPIIsNoRank() {
        let report = SlurmOutput("srun: error: n3: task 1: Exited with exit code 127\n", tasksAreRanks: false).explain(
            LaunchEnd(.exited(1)), plan: MPIRunOutputTests.plan, graph: MPIRunOutputTests.graph)
        #expect(report.cause == .launcher && report.rank == nil)
    }

    @Test func namesTheRankThatSrunLost() {
        let report = SlurmOutput("srun: error: n3: task 1: Killed\nsrun: Terminating StepId=4.0\n").explain(
            LaunchEnd(.exited(137)), plan: MPIRunOutputTests.plan, graph: MPIRunOutputTests.graph)
        #expect(report.cause == .rank && report.rank == 1 && report.node == "n3" && report.element == "Sum1")
    }
}
