// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// What a job asks of Slurm, for both of its ways in.
struct SlurmRequest: Equatable {
    /// What differs between the components of a heterogeneous job; other jobs have one.
    struct Component: Equatable {
        var ranks: Int
        var constraint: String?
    }

    var name: String
    var comment: String
    var components: [Component]
    var nodes: Int?
    /// MiB.
    var memoryPerRank: Int
    /// Minutes, in which Slurm counts: a minute more than asked for, since the ranks themselves keep the limit to the second.
    var minutes: Int?
    var partition: String?
    var account: String?
    var qos: String?
    var reservation: String?
    var excluded: [String]
    var folder: String
    var output: String

    /// - Parameters:
    ///   - nodes: of the cluster, where they are known: Slurm refuses to exclude another.
    ///   - defaults: of the installation, for what the run does not say.
    init(_ launch: Launch, nodes: [ClusterNode], defaults: RunNeeds) {
        let needs = launch.resources.needs
        name = launch.name
        comment = "Weft \(launch.run), attempt \(launch.attempt)"
        let wanted = [needs.constraint ?? defaults.constraint].compactMap(\.self) + (needs.labels ?? [])
        components = SlurmComponents(launch.resources).components.map { component in
            let features = wanted + (component.labels.isEmpty ? [] : [component.features])
            return Component(ranks: component.ranks, constraint: features.isEmpty ? nil : features.joined(separator: "&"))
        }
        self.nodes = needs.nodes
        memoryPerRank = launch.resources.memoryPerRank
        minutes = (needs.timeLimit ?? defaults.timeLimit).map { ($0 + 59) / 60 + 1 }
        partition = needs.partition ?? defaults.partition
        account = needs.account ?? defaults.account
        qos = needs.qos ?? defaults.qos
        reservation = needs.reservation ?? defaults.reservation
        excluded = nodes.map(\.name).filter(launch.avoided.contains).sorted()
        folder = launch.folder.launcher
        output = launch.folder.launcher + "/slurm.out"
    }

    /// Ranks of a node, where their number of nodes is given.
    func ranksPerNode(_ component: Component) -> Int? { nodes.map { (component.ranks + $0 - 1) / $0 } }

    /// For `sbatch`.
    var options: [String] { Array(components.map(options).joined(separator: [":"])) }

    /// Slurm never starts a job of Weft's again by itself: another start is another attempt.
    private func options(_ component: Component) -> [String] {
        var options = [
            "--job-name=\(name)", "--comment=\(comment)", "--ntasks=\(component.ranks)", "--cpus-per-task=1",
            "--mem-per-cpu=\(memoryPerRank)M", "--no-requeue", "--open-mode=append", "--chdir=\(folder)", "--output=\(output)",
        ]
        if let nodes, let ranksPerNode = ranksPerNode(component) {
            options += ["--nodes=\(nodes)", "--ntasks-per-node=\(ranksPerNode)"]
        }
        let values = [
            ("time", minutes.map(String.init)), ("partition", partition), ("account", account), ("qos", qos), ("reservation", reservation),
            ("constraint", component.constraint), ("exclude", excluded.isEmpty ? nil : excluded.joined(separator: ",")),
        ]
        return options + values.compactMap { name, value in value.map { "--\(name)=\($0)" } }
    }
}
