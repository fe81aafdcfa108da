// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// The parts of Kubernetes' objects that the backend reads.
protocol KubernetesObject: Decodable, Sendable {
    var metadata: ObjectMetadata { get }
}

struct ObjectMetadata: Decodable, Sendable, Equatable {
    var name: String
    var uid: String?
    var resourceVersion: String?
    var creationTimestamp: Date?
    var deletionTimestamp: Date?
    var labels: [String: String]?
}

struct Condition: Decodable, Sendable, Equatable {
    var type: String
    var status: String
    var reason: String?
    var message: String?
    var lastTransitionTime: Date?

    var isTrue: Bool { status == "True" }
}

/// https://www.kubeflow.org/docs/components/trainer/legacy-v1/user-guides/mpi/
struct MPIJob: KubernetesObject, Equatable {
    struct Specification: Decodable, Sendable, Equatable {
        struct RunPolicy: Decodable, Sendable, Equatable {
            var suspend: Bool?
        }
        var runPolicy: RunPolicy?
    }

    struct Status: Decodable, Sendable, Equatable {
        var conditions: [Condition]?
        var completionTime: Date?
    }

    var metadata: ObjectMetadata
    var spec: Specification?
    var status: Status?

    func condition(_ type: String) -> Condition? { status?.conditions?.first { $0.type == type && $0.isTrue } }
}

struct Pod: KubernetesObject, Equatable {
    struct Specification: Decodable, Sendable, Equatable {
        var nodeName: String?
    }

    struct Status: Decodable, Sendable, Equatable {
        var phase: String?
        var reason: String?
        var message: String?
        var conditions: [Condition]?
        var containerStatuses: [ContainerStatus]?
    }

    struct ContainerStatus: Decodable, Sendable, Equatable {
        var state: ContainerState?
        var lastState: ContainerState?
    }

    struct ContainerState: Decodable, Sendable, Equatable {
        struct Waiting: Decodable, Sendable, Equatable {
            var reason: String?
            var message: String?
        }
        struct Terminated: Decodable, Sendable, Equatable {
            var exitCode: Int
            var signal: Int?
            var reason: String?
            var message: String?
            var finishedAt: Date?
        }
        var waiting: Waiting?
        var terminated: Terminated?
    }

    var metadata: ObjectMetadata
    var spec: Specification?
    var status: Status?

    var job: String? { metadata.labels?["training.kubeflow.org/job-name"] }
    var isLauncher: Bool { metadata.labels?["training.kubeflow.org/job-role"] == "launcher" }
    var waiting: ContainerState.Waiting? { status?.containerStatuses?.lazy.compactMap(\.state?.waiting).first }
    /// How its container ended, now or before it was started again.
    var terminated: ContainerState.Terminated? {
        status?.containerStatuses?.lazy.compactMap { $0.state?.terminated ?? $0.lastState?.terminated }.first
    }
}

struct KubernetesNode: KubernetesObject {
    struct Specification: Decodable, Sendable {
        struct Taint: Decodable, Sendable {
            var key: String
            var value: String?
            var effect: String
        }
        var unschedulable: Bool?
        var taints: [Taint]?
    }

    struct Status: Decodable, Sendable {
        var allocatable: [String: String]?
        var conditions: [Condition]?
    }

    var metadata: ObjectMetadata
    var spec: Specification?
    var status: Status?
}

/// An event about an object.
struct KubernetesEvent: KubernetesObject {
    var metadata: ObjectMetadata
    var reason: String?
    var message: String?
    var type: String?
}

struct ObjectList<Item: KubernetesObject>: Decodable, Sendable {
    struct Metadata: Decodable, Sendable {
        var resourceVersion: String?
    }
    var metadata: Metadata
    var items: [Item]
}

extension KubernetesNode {
    /// - Parameter tolerated: keys of taints that runs tolerate; a taint of any other key keeps them away.
    func clusterNode(tolerating tolerated: Set<String>) -> ClusterNode {
        let labels = metadata.labels ?? [:]
        let ready = status?.conditions?.first { $0.type == "Ready" }
        let repelling = (spec?.taints ?? []).filter { $0.effect != "PreferNoSchedule" && !tolerated.contains($0.key) }
        let (state, reason): (ClusterNode.State, String?) =
            if ready?.isTrue != true {
                (.down, ready?.message ?? "it does not say that it is ready")
            } else if spec?.unschedulable == true {
                (.drained, "it is cordoned")
            } else if let taint = repelling.first {
                (.reserved, "it has the taint \(taint.key)\(taint.value.map { "=\($0)" } ?? ""):\(taint.effect)")
            } else {
                (.up, nil)
            }
        let cores = (status?.allocatable?["cpu"]).flatMap(Self.quantity).map { Int($0) } ?? 0
        let memory = (status?.allocatable?["memory"]).flatMap(Self.quantity).map { Int($0 / 1_048_576) } ?? 0
        return ClusterNode(
            name: metadata.name, state: state, reason: reason, cores: cores, memory: memory, slots: cores,
            architecture: labels["kubernetes.io/arch"].map { ["amd64": "x86_64", "arm64": "aarch64"][$0] ?? $0 },
            labels: Set(labels.map { "\($0.key)=\($0.value)" }))
    }

    /// `3500m`, `16Gi`, `2e3`, `4`: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    static func quantity(_ text: String) -> Double? {
        let powers: [(String, Double)] = [
            ("Ki", 1024), ("Mi", 1_048_576), ("Gi", 1_073_741_824), ("Ti", 1_099_511_627_776), ("Pi", 1_125_899_906_842_624),
            ("m", 0.001), ("k", 1000), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15),
        ]
        for (suffix, factor) in powers where text.hasSuffix(suffix) { return Double(text.dropLast(suffix.count)).map { $0 * factor } }
        return Double(text)
    }
}
