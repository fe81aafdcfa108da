// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// The `MPIJob` (kubeflow.org/v2beta1) of a launch.
struct MPIJobManifest {
    static let managedBy = "app.kubernetes.io/managed-by"
    /// The launcher often starts before the workers' ssh servers do, or their names resolve; its script waits for them, and may
    /// still be started a few times.
    private static let launcherRetries: Int64 = 3
    /// For the pods to be scheduled and images pulled, beside the run's own limit, which the ranks keep.
    private static let secondsAround = 3600
    private static let defaultRanksPerWorker = 4
    private static let secondsToEnd: Int64 = 5

    var launch: Launch
    var settings: KubernetesSettings
    var dataFolder: String

    static func name(of launch: Launch) -> String { "weft-\(launch.run.description.dropFirst(4))-\(launch.attempt)" }

    private var needs: RunNeeds { launch.resources.needs }

    var ranksPerWorker: Int {
        if let nodes = needs.nodes { return (launch.ranks + nodes - 1) / nodes }
        return min(launch.ranks, settings.ranksPerWorker ?? Self.defaultRanksPerWorker)
    }

    var workers: Int { needs.nodes ?? (launch.ranks + ranksPerWorker - 1) / ranksPerWorker }

    var object: JSONValue {
        var policy: [String: JSONValue] = ["cleanPodPolicy": "Running", "backoffLimit": .integer(Self.launcherRetries)]
        if let limit = needs.timeLimit { policy["activeDeadlineSeconds"] = .integer(Int64(limit + Self.secondsAround)) }
        return [
            "apiVersion": "kubeflow.org/v2beta1", "kind": "MPIJob",
            "metadata": ["name": .string(Self.name(of: launch)), "labels": .object(labels), "annotations": annotations],
            "spec": [
                "slotsPerWorker": .integer(Int64(ranksPerWorker)), "mpiImplementation": "OpenMPI", "runPolicy": .object(policy),
                "mpiReplicaSpecs": [
                    // With `Never` each try is a pod of its own that stays, with its logs and how it ended.
                    "Launcher": ["replicas": 1, "restartPolicy": "Never", "template": template(launcher, isLauncher: true)],
                    "Worker": [
                        "replicas": .integer(Int64(workers)), "restartPolicy": "Never", "template": template(worker, isLauncher: false),
                    ],
                ],
            ],
        ]
    }

    private var labels: [String: JSONValue] {
        var labels: [String: JSONValue] = [
            Self.managedBy: "weft", "weft/run": .string(launch.run.description), "weft/attempt": .string("\(launch.attempt)"),
        ]
        if let queue = needs.queue ?? settings.queue { labels["kueue.x-k8s.io/queue-name"] = .string(queue) }
        return labels
    }

    private var annotations: JSONValue { ["weft/folder": .string(launch.folder.path)] }

    private var launcher: JSONValue {
        container(
            "launcher", command: ["/bin/sh", .string(LauncherFiles(launch.folder).script)],
            resources: ["requests": ["cpu": "100m", "memory": "256Mi"], "limits": ["memory": "1Gi"]])
    }

    private var worker: JSONValue {
        let ranks = Int64(ranksPerWorker)
        let memory = JSONValue.string("\(ranksPerWorker * launch.resources.memoryPerRank)Mi")
        var requests: [String: JSONValue] = ["memory": memory]
        var limits = requests
        if let cpu = settings.cpuPerRank, let one = KubernetesNode.quantity(cpu) {
            requests["cpu"] = .string("\(Int(one * Double(ranks) * 1000 + 0.5))m")
        }
        for (name, count) in settings.resourcesPerRank ?? [:] { limits[name] = .integer(ranks * Int64(count)) }
        return container(
            "worker", command: ["/usr/sbin/sshd", "-De"], resources: ["requests": .object(requests), "limits": .object(limits)])
    }

    private func container(_ name: JSONValue, command: [JSONValue], resources: JSONValue) -> JSONValue {
        var mount: [String: JSONValue] = ["name": "data", "mountPath": .string(dataFolder)]
        if let subPath = settings.subPath { mount["subPath"] = .string(subPath) }
        return [
            "name": name, "image": .string(settings.image), "command": .array(command), "resources": resources,
            "volumeMounts": [.object(mount), ["name": "shm", "mountPath": "/dev/shm"]],
        ]
    }

    private func template(_ container: JSONValue, isLauncher: Bool) -> JSONValue {
        var pod: [String: JSONValue] = [
            "containers": [container], "terminationGracePeriodSeconds": .integer(Self.secondsToEnd),
            "volumes": [
                ["name": "data", "persistentVolumeClaim": ["claimName": .string(settings.claim)]],
                // Ranks of a pod pass data through shared memory, of which a pod has 64 MiB by itself.
                ["name": "shm", "emptyDir": ["medium": "Memory"]],
            ],
        ]
        if let secret = settings.pullSecret { pod["imagePullSecrets"] = [["name": .string(secret)]] }
        if let account = settings.serviceAccount { pod["serviceAccountName"] = .string(account) }
        if let tolerations = settings.tolerations { pod["tolerations"] = .array(tolerations) }
        if let context = settings.securityContext { pod["securityContext"] = context }
        let selector = nodeSelector
        if !selector.isEmpty { pod["nodeSelector"] = .object(selector) }
        if let affinity = affinity(isLauncher: isLauncher) { pod["affinity"] = affinity }
        return ["metadata": ["labels": [Self.managedBy: "weft", "weft/run": .string(launch.run.description)]], "spec": .object(pod)]
    }

    private var nodeSelector: [String: JSONValue] {
        var selector = (settings.nodeSelector ?? [:]).mapValues(JSONValue.string)
        for label in needs.labels ?? [] {
            let parts = label.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            selector[parts[0]] = .string(parts.count > 1 ? parts[1] : "")
        }
        if let architecture = needs.architecture {
            selector["kubernetes.io/arch"] = .string(["x86_64": "amd64", "aarch64": "arm64"][architecture] ?? architecture)
        }
        return selector
    }

    /// Not on nodes that failed, and one worker a node where the run names their number.
    private func affinity(isLauncher: Bool) -> JSONValue? {
        var affinity: [String: JSONValue] = [:]
        if !launch.avoided.isEmpty {
            let names = launch.avoided.sorted().map(JSONValue.string)
            let expression: JSONValue = ["key": "kubernetes.io/hostname", "operator": "NotIn", "values": .array(names)]
            affinity["nodeAffinity"] = [
                "preferredDuringSchedulingIgnoredDuringExecution": [["weight": 100, "preference": ["matchExpressions": [expression]]]]
            ]
        }
        if needs.nodes != nil, !isLauncher {
            let own: JSONValue = [
                "training.kubeflow.org/job-name": .string(Self.name(of: launch)), "training.kubeflow.org/job-role": "worker",
            ]
            affinity["podAntiAffinity"] = [
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    ["topologyKey": "kubernetes.io/hostname", "labelSelector": ["matchLabels": own]]
                ]
            ]
        }
        return affinity.isEmpty ? nil : .object(affinity)
    }
}
