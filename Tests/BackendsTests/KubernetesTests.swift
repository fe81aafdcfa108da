// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPClient
import TestSupport
import Testing
import WorkflowModel

@testable import Backends

@Suite struct KubernetesTests {
    static let access = KubernetesAccess(server: "https://127.0.0.1:1", authorities: nil, credential: .none, namespace: "weft")

    static func manifest(
        _ needs: RunNeeds = RunNeeds(), ranks: Int = 7, attempt: Int = 1, avoided: Set<String> = [],
        _ change: (inout KubernetesSettings) -> Void = { _ in }
    ) -> JSONValue {
        var pods = KubernetesSettings(image: "registry.example.org/weft-rank:1", claim: "weft-data")
        change(&pods)
        let kubernetes = Kubernetes(
            .init(
                access: access, pods: pods, dataFolder: "/var/lib/weft", rankProgram: "/var/lib/weft/programs/weft-rank",
                moduleSetup: "/m.sh"))
        let launch = Launch(
            run: RunID(milliseconds: 1, random: [UInt8](repeating: 7, count: 10)), attempt: attempt,
            folder: RunFolder(path: "/var/lib/weft/runs/r/\(attempt)"),
            resources: ResourceRequest(ranks: ranks, memoryPerRank: 300, needs: needs), avoided: avoided)
        return kubernetes.manifest(of: launch)
    }

    @Test func labelsOfSinglePEsAreRefusedWithTheReason() {
        let pods = KubernetesSettings(image: "i", claim: "c")
        let capabilities = Kubernetes(.init(access: Self.access, pods: pods, dataFolder: "/d", rankProgram: "/d/r")).capabilities
        #expect(!capabilities.needs.contains(.elements))
        #expect(capabilities.refusals[.elements]?.contains("an MPIJob has one template for all its workers") == true)
    }

    /// Runs of ten shapes.
    static let shapes: [(String, JSONValue)] = [
        ("one-rank", manifest(ranks: 1)),
        ("seven-ranks", manifest()),
        ("three-nodes", manifest(RunNeeds(nodes: 3))),
        ("time-limit", manifest(RunNeeds(timeLimit: 600))),
        ("labels", manifest(RunNeeds(labels: ["disk=ssd", "example.org/zone=a"], architecture: "aarch64"))),
        ("queue", manifest(RunNeeds(queue: "science"))),
        ("second-attempt", manifest(attempt: 12, avoided: ["node-1", "node-2"])),
        ("modules", manifest(RunNeeds(modules: ["GCC/12.2", "netCDF"]))),
        (
            "site",
            manifest {
                $0.pullSecret = "registry"
                $0.serviceAccount = "weft-runs"
                $0.nodeSelector = ["pool": "batch"]
                $0.tolerations = [["key": "batch", "operator": "Exists", "effect": "NoSchedule"]]
                $0.securityContext = ["runAsUser": 1000, "fsGroup": 1000, "runAsNonRoot": true]
                $0.subPath = "weft/data"
                $0.queue = "default"
            }
        ),
        (
            "accelerators",
            manifest(RunNeeds(nodes: 2), ranks: 1000) {
                $0.cpuPerRank = "500m"
                $0.resourcesPerRank = ["nvidia.com/gpu": 1]
                $0.ranksPerWorker = 16
            }
        ),
    ]

    @Test func manifestsOfTenShapesAreValid() async throws {
        let python = try #require(
            ProcessInfo.processInfo.environment["WEFT_TEST_PYTHON"], "WEFT_TEST_PYTHON names a Python with kubernetes-validate")
        let folder = FileManager.default.temporaryDirectory.appending(path: "weft-manifests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        #expect(Self.shapes.count == 10)
        var files: [String] = []
        for (name, manifest) in Self.shapes {
            let file = folder.appending(path: "\(name).json")
            try Data(WireJSON.encode(manifest)).write(to: file)
            files.append(file.path())
        }
        let validator = Program.root.appending(path: "Tests/Kubernetes/validate.py").path()
        let result = try await Program.run(python, [validator] + files)
        #expect(result.status == 0, "\(result)")

        // The validator would have noticed.
        var wrong = Self.shapes[0].1.objectValue ?? [:]
        wrong["spec"] = wrong["spec"].map { spec in .object((spec.objectValue ?? [:]).merging(["slotPerWorker": 1]) { $1 }) }
        let file = folder.appending(path: "wrong.json")
        try Data(WireJSON.encode(JSONValue.object(wrong))).write(to: file)
        #expect(try await Program.run(python, [validator, file.path()]).status == 1)
    }

    @Test func workersHoldTheRanks() {
        let spec = Self.manifest()["spec"]
        #expect(spec?["slotsPerWorker"] == 4 && spec?["mpiReplicaSpecs"]?["Worker"]?["replicas"] == 2)
        let spread = Self.manifest(RunNeeds(nodes: 3))["spec"]
        #expect(spread?["slotsPerWorker"] == 3 && spread?["mpiReplicaSpecs"]?["Worker"]?["replicas"] == 3)
        let container = spec?["mpiReplicaSpecs"]?["Worker"]?["template"]?["spec"]?["containers"]?.arrayValue?.first
        #expect(container?["resources"]?["limits"]?["memory"] == "1200Mi")
    }

    // MARK: What the objects say

    static func job(_ conditions: [Condition], completed: Date? = nil) -> MPIJob {
        MPIJob(metadata: .init(name: "weft-x-1"), status: .init(conditions: conditions, completionTime: completed))
    }

    static func pod(_ role: String, _ status: Pod.Status, age: Double = 1) -> Pod {
        Pod(
            metadata: .init(
                name: "weft-x-1-\(role)", creationTimestamp: Date(timeIntervalSinceNow: -age),
                labels: ["training.kubeflow.org/job-name": "weft-x-1", "training.kubeflow.org/job-role": role]),
            spec: .init(nodeName: "node-1"), status: status)
    }

    static func terminated(_ exitCode: Int, _ reason: String) -> Pod.Status {
        .init(phase: "Failed", containerStatuses: [.init(state: .init(terminated: .init(exitCode: exitCode, reason: reason)))])
    }

    static let running = Condition(type: "Running", status: "True")

    @Test func tellsHowALaunchEnded() {
        func end(_ job: MPIJob, _ pods: [Pod]) -> LaunchEnd? { MPIJobView(job: job, pods: pods).end(now: Date()) }
        let failed = Condition(type: "Failed", status: "True", reason: "BackoffLimitExceeded/", message: "Job has reached the limit")
        #expect(end(Self.job([Self.running]), [Self.pod("launcher", .init(phase: "Running"))]) == nil)
        let limit = end(Self.job([failed], completed: Date()), [Self.pod("launcher", Self.terminated(3, "Error"))])
        #expect(limit?.cause == .exited(3) && limit?.detail == "Job has reached the limit")
        let memory = end(Self.job([Self.running]), [Self.pod("launcher", Self.terminated(137, "OOMKilled"))])
        #expect(memory?.cause == .outOfMemory && memory?.nodes == ["node-1"])
        let evicted = end(
            Self.job([.init(type: "Failed", status: "True", reason: "MPIJobEvicted")]),
            [Self.pod("worker", .init(phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory."))])
        #expect(evicted?.cause == .nodeFailure && evicted?.detail?.contains("low on resource") == true)
        let preempted = end(
            Self.job([Self.running]),
            [Self.pod("worker", .init(conditions: [.init(type: "DisruptionTarget", status: "True", reason: "PreemptionByScheduler")]))])
        #expect(preempted?.cause == .preempted)
        let late = end(Self.job([.init(type: "Failed", status: "True", reason: "DeadlineExceeded")], completed: Date()), [])
        #expect(late?.cause == .timeLimit)
    }

    @Test func tellsWhyALaunchWaits() {
        func sentence(_ conditions: [Condition], _ pods: [Pod]) -> String {
            MPIJobView(job: Self.job(conditions), pods: pods).waitingSentence(now: Date())
        }
        let created = Condition(type: "Created", status: "True")
        #expect(sentence([], []).contains("operator has not taken"))
        #expect(sentence([created, .init(type: "Suspended", status: "True")], []).contains("suspended"))
        let full = Condition(
            type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/3 nodes are available: 3 Insufficient cpu.")
        #expect(sentence([created], [Self.pod("worker", .init(phase: "Pending", conditions: [full]))]).contains("0/3 nodes are available"))
        let pulling = Pod.Status(
            phase: "Pending",
            containerStatuses: [.init(state: .init(waiting: .init(reason: "ImagePullBackOff", message: "Back-off pulling image")))])
        #expect(sentence([created], [Self.pod("worker", pulling)]).contains("cannot be pulled: Back-off"))
        let view = { MPIJobView(job: Self.job([created]), pods: [Self.pod("worker", pulling, age: $0)]) }
        #expect(view(10).end(now: Date()) == nil)
        #expect(view(MPIJobView.secondsToPull + 1).end(now: Date())?.cause == .refused)
    }

    @Test func readsQuantitiesAndNodes() throws {
        #expect(KubernetesNode.quantity("3500m") == 3.5 && KubernetesNode.quantity("16Gi") == 17_179_869_184)
        #expect(KubernetesNode.quantity("2e3") == 2000 && KubernetesNode.quantity("much") == nil)
        let json = """
            {"metadata": {"name": "node-1", "labels": {"kubernetes.io/arch": "amd64", "pool": "batch"}},
             "spec": {"taints": [{"key": "batch", "effect": "NoSchedule"}]},
             "status": {"allocatable": {"cpu": "7800m", "memory": "16Gi"}, "conditions": [{"type": "Ready", "status": "True"}]}}
            """
        let node = try WireJSON.decode(KubernetesNode.self, from: json.utf8)
        let seen = node.clusterNode(tolerating: ["batch"])
        #expect(
            seen.state == .up && seen.cores == 7 && seen.memory == 16384 && seen.architecture == "x86_64"
                && seen.labels.contains("pool=batch"))
        #expect(node.clusterNode(tolerating: []).state == .reserved)
    }

    @Test func onlyWhatTheServerSaysOfTheRequestIsFinal() {
        func isPassing(_ code: Int, _ body: String) -> Bool? {
            if case .failed(let error) = KubernetesAPI.refusal(code, Array(body.utf8)) { error.isPassing } else { nil }
        }
        #expect(isPassing(503, "") == true && isPassing(403, #"{"kind":"Status","reason":"Forbidden","message":"RBAC"}"#) == true)
        #expect(isPassing(404, "404 page not found") == true && isPassing(404, #"{"kind":"Status","reason":"NotFound"}"#) == nil)
        #expect(isPassing(422, #"{"kind":"Status","reason":"Invalid","message":"spec.slots"}"#) == false)
    }

    @Test func linesAreCutWhereverThePiecesEnd() throws {
        let text = Array("one\n\ntwo\nthree\n".utf8)
        for _ in 0..<200 {
            var lines = LineSplitter(maximum: 10)
            var found: [[UInt8]] = []
            var rest = text[...]
            while !rest.isEmpty {
                let piece = rest.prefix(.random(in: 1...6))
                found += try lines.add(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            #expect(found.map { String(decoding: $0, as: UTF8.self) } == ["one", "two", "three"])
        }
        var short = LineSplitter(maximum: 4)
        #expect(throws: BackendError.self) { try short.add(Array("12345".utf8)) }
    }
}
