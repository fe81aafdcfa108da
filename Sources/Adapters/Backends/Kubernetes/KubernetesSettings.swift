// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// What the pods of a run are made from.
package struct KubernetesSettings: Sendable, Equatable, Codable {
    /// With Open MPI, an ssh server and Python.
    package var image: String
    /// A claim of the mode ReadWriteMany that holds the server's data folder, which pods see at the same path.
    package var claim: String
    /// Of the claim, where the data folder is not its root.
    package var subPath: String?
    package var pullSecret: String?
    package var serviceAccount: String?
    package var nodeSelector: [String: String]?
    /// In Kubernetes' own form.
    package var tolerations: [JSONValue]?
    /// Of the pods, in Kubernetes' own form.
    package var securityContext: JSONValue?
    /// Ranks of a worker pod, where the run does not name a number of nodes.
    package var ranksPerWorker: Int?
    /// Processors of a rank, as `1` or `500m`.
    package var cpuPerRank: String?
    /// Further resources of a rank with their number, as `nvidia.com/gpu`.
    package var resourcesPerRank: [String: Int]?
    /// Kueue's queue for runs that name none.
    package var queue: String?

    package init(
        image: String, claim: String, subPath: String? = nil, pullSecret: String? = nil, serviceAccount: String? = nil,
        nodeSelector: [String: String]? = nil, tolerations: [JSONValue]? = nil, securityContext: JSONValue? = nil,
        ranksPerWorker: Int? = nil, cpuPerRank: String? = nil, resourcesPerRank: [String: Int]? = nil, queue: String? = nil
    ) {
        self.image = image
        self.claim = claim
        self.subPath = subPath
        self.pullSecret = pullSecret
        self.serviceAccount = serviceAccount
        self.nodeSelector = nodeSelector
        self.tolerations = tolerations
        self.securityContext = securityContext
        self.ranksPerWorker = ranksPerWorker
        self.cpuPerRank = cpuPerRank
        self.resourcesPerRank = resourcesPerRank
        self.queue = queue
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case image, claim, tolerations, queue
        case subPath = "sub_path"
        case pullSecret = "pull_secret"
        case serviceAccount = "service_account"
        case nodeSelector = "node_selector"
        case securityContext = "security_context"
        case ranksPerWorker = "ranks_per_worker"
        case cpuPerRank = "cpu_per_rank"
        case resourcesPerRank = "resources_per_rank"
    }

    /// Keys of taints that runs tolerate.
    var toleratedTaints: Set<String> { Set((tolerations ?? []).compactMap { $0["key"]?.stringValue }) }
}
