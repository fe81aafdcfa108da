// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Trait where Self == ClusterTrait {
    /// A real Slurm, with accounting, on five virtual hosts.
    static var slurm: Self { ClusterTrait(start: SlurmCluster.start) }
}

enum SlurmCluster {
    static func start() async throws -> ClusterUnderTest {
        let cluster = try await TestCluster.up("Clusters/slurm.sh", environment: ["REST": "1"])
        return ClusterUnderTest(cluster: cluster, weft: try await weft(on: cluster)) { body in
            try await drained(cluster, "held") { try await body() }
        }
    }

    static func weft(on cluster: TestCluster, _ settings: [String: String] = [:]) async throws -> Installation {
        let python = ProcessInfo.processInfo.environment["WEFT_TEST_PYTHON"] ?? "/usr/bin/python3"
        let variables = ["WEFT_CLUSTER": "slurm", "WEFT_PYTHON_INTERPRETER": python].merging(cluster.variables) { $1 }
        let weft = try await Installation.start(environment: variables.merging(settings) { $1 })
        try await weft.register("counts")
        return weft
    }

    static func counts(_ numbers: Int, every seconds: Double) -> [String] {
        ["test/counts", "-d", #"{"Count": [{"input": {"to": \#(numbers), "seconds": \#(seconds)}}]}"#, "-n", "6"]
    }

    /// What `counts.py` gives: each number once, with its host.
    static func hosts(of run: String, numbers: Int, in weft: Installation) async throws -> Set<String> {
        let results = try await weft.json([RunResult].self, ["run", "results", run, "--limit", "0"])
        let pairs = results.compactMap(\.value.arrayValue)
        #expect(
            pairs.map { $0[0] }.compactMap { if case .integer(let number) = $0 { number } else { nil } }.sorted()
                == Array(0..<Int64(numbers)))
        return Set(pairs.compactMap { $0[1].stringValue })
    }

    /// Of which the first and the last PE need nodes of one class, and the two instances of the middle one those of another.
    static func places(_ numbers: Int, every seconds: Double) -> [String] {
        [
            "test/places", "-d", #"{"Numbers": [{"count": \#(numbers), "seconds": \#(seconds)}]}"#, "-n", "4", "--layout", "spread",
            "--pe-label", "Numbers0=small", "--pe-label", "Wait1=big", "--pe-label", "Sum2=small",
        ]
    }

    /// Expects each rank of such a run on a node of its class, where its PEs said that they are.
    static func expectPlaces(of run: String, in weft: Installation) async throws {
        let plan = try #require(try await weft.show(run).plan)
        let logged = try await weft.weft(["run", "logs", run, "-o", "json"]).output.split(separator: "\n")
        let lines = try logged.map { try WireJSON.decode(LogLine.self, from: $0.utf8) }
        for rank in 0..<plan.ranks {
            let hosts = Set(lines.filter { $0.rank == rank }.map(\.text))
            let elements = plan.workers(onRank: rank).flatMap { plan.stages[plan.workers[$0].stage].elements }
            let nodes = elements == [1] ? ["n3", "n4", "n5"] : ["n1", "n2"]
            #expect(hosts.count == 1 && hosts.isSubset(of: nodes.map { "on \($0)" }), "rank \(rank) of \(elements): \(hosts)")
        }
    }

    /// Jobs that Slurm has had for the run. Of a heterogeneous one it lists the components, as `7+0`.
    static func jobs(of run: String, on cluster: TestCluster) async throws -> [String] {
        let lines = try await cluster.run(["squeue", "--noheader", "--states=all", "--format=%i %j"]).split(separator: "\n")
        let jobs = lines.filter { $0.contains("weft-\(run)-") }.compactMap { $0.split(whereSeparator: { "+ ".contains($0) }).first }
        return Set(jobs.map(String.init)).sorted()
    }

    static func waitingReason(_ run: String, in weft: Installation, holds text: String) async throws {
        try await wait(for: "\(run) to wait because of '\(text)'", seconds: 30) {
            let now = try await weft.show(run)
            #expect(!now.state.isFinal, "\(now.failure?.message ?? "")")
            return now.pending?.reason.contains(text) == true || now.state.isFinal
        }
    }

    /// Drains every node for a while.
    static func drained<T>(_ cluster: TestCluster, _ reason: String, _ body: () async throws -> T) async throws -> T {
        try await cluster.run(["scontrol", "update", "NodeName=ALL", "State=DRAIN", "Reason=\(reason)"])
        let outcome: Result<T, any Error>
        do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
        try await cluster.run(["scontrol", "update", "NodeName=ALL", "State=RESUME"])
        return try outcome.get()
    }
}
