// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Trait where Self == ClusterTrait {
    /// A real API server, behind which a program plays the MPI operator and the nodes.
    static var kubernetes: Self { ClusterTrait(start: KubernetesCluster.start) }
}

enum KubernetesCluster {
    /// The API server has to be built first.
    static let isWanted = ProcessInfo.processInfo.environment["WEFT_TEST_KUBERNETES"] == "1"
    private static let state = "/tmp/weft-kubernetes-\(UUID().uuidString.prefix(8))"

    static func start() async throws -> ClusterUnderTest {
        let cluster = try await TestCluster.up("Kubernetes/cluster.sh", environment: ["WEFT_KUBERNETES_STATE": state])
        try await startOperator()
        let settings = [
            "WEFT_CLUSTER": "kubernetes", "WEFT_KUBERNETES_KUBECONFIG": try #require(cluster.variables["KUBECONFIG"]),
            "WEFT_KUBERNETES_NAMESPACE": "weft", "WEFT_KUBERNETES_PODS": "{image: registry.example.org/weft-rank:1, claim: weft-data}",
        ]
        let weft = try await Installation.start(environment: settings)
        try await weft.register("counts")
        return ClusterUnderTest(
            cluster: cluster, weft: weft, begin: { try release($0, attempt: $1, as: "succeeded") }, held: { try await $0() },
            stop: stopOperator)
    }

    /// It holds every MPIJob until the test says what becomes of it.
    private static func startOperator() async throws {
        let program = Program.root.appending(path: "Tests/Kubernetes/mpi_operator.py").path()
        // The pods of workers are not there: what is started on them by ssh is started here.
        let script = """
            mkdir -p \(state)/bin && cat > \(state)/bin/ssh <<'END'
            #!/bin/sh
            while :; do case $1 in -o | -F | -p | -i | -l) shift 2 ;; -*) shift ;; *) break ;; esac; done
            shift
            exec sh -c "$*"
            END
            chmod 755 \(state)/bin/ssh
            export WEFT_KUBERNETES_STATE=\(state) PATH=\(state)/bin:$PATH:/var/cache/weft-kubernetes
            setsid python3 \(program) --scenario hold --execute > \(state)/operator.out 2>&1 < /dev/null &
            echo $! > \(state)/operator.pid
            """
        _ = try await Program.run("/bin/sh", ["-c", script])
        try await wait(for: "the operator to be ready") {
            (try? String(contentsOfFile: state + "/operator.out", encoding: .utf8))?.contains("ready") == true
        }
    }

    private static func stopOperator() async {
        _ = try? await Program.run("/bin/sh", ["-c", "kill $(cat \(state)/operator.pid)"])
    }

    static func name(of run: String, attempt: Int = 1) -> String { "weft-\(run.dropFirst(4))-\(attempt)" }

    /// Lets the operator go on with a run's MPIJob.
    static func release(_ run: String, attempt: Int = 1, as scenario: String) throws {
        try FileManager.default.createDirectory(atPath: state + "/release", withIntermediateDirectories: true)
        try scenario.write(toFile: "\(state)/release/\(name(of: run, attempt: attempt))", atomically: true, encoding: .utf8)
    }

    static func waitingReason(_ run: String, in weft: Installation, holds text: String) async throws {
        try await wait(for: "\(run) to wait because of '\(text)'", seconds: 30) {
            let now = try await weft.show(run)
            return now.pending?.reason.contains(text) == true || now.state.isFinal
        }
        #expect(try await weft.show(run).pending?.reason.contains(text) == true)
    }
}
