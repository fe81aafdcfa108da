// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension Trait where Self == ClusterTrait {
    /// Three virtual hosts with an ssh server each.
    static var sshHosts: Self { ClusterTrait(start: SSHCluster.start) }
}

enum SSHCluster {
    static let hosts = ["s1", "s2", "s3"]

    static func start() async throws -> ClusterUnderTest {
        let cluster = try await TestCluster.up("Clusters/ssh.sh", ["3"])
        let weft = try await weft(on: cluster)
        return ClusterUnderTest(cluster: cluster, weft: weft, held: ClusterUnderTest.filling(weft))
    }

    static func weft(on cluster: TestCluster, _ settings: [String: String] = [:]) async throws -> Installation {
        let configuration = try #require(cluster.variables["SSH_CONFIG"])
        let entries = hosts.map { #"{name: \#($0), slots: 3, labels: [\#($0 == "s3" ? "scarce" : "plain")]}"# }
        let variables = [
            "WEFT_CLUSTER": "ssh", "WEFT_SSH_HOSTS": "[\(entries.joined(separator: ", "))]",
            "WEFT_SSH_OPTIONS": "[-F, \(configuration)]",
            "WEFT_SSH_NETWORK": cluster.variables["SUBNET"] ?? "10.78.0.0/24",
        ]
        let weft = try await Installation.start(environment: variables.merging(settings) { $1 })
        try await weft.register("counts")
        return weft
    }
}
