// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// What a job asks of Slurm, for both of its ways in.
struct SlurmRequest: Equatable {
    var name: String
    var comment: String
    var ranks: Int
    var nodes: Int?
    /// MiB.
    var memoryPerRank: Int
    /// Minutes, in which Slurm counts: a minute more than asked for, since the ranks themselves keep the limit to the second.
    var minutes: Int?
    var partition: String?
    var account: String?
    var qos: String?
    var reservation: String?
    var constraint: String?
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
        ranks = launch.ranks
        self.nodes = needs.nodes
        memoryPerRank = launch.resources.memoryPerRank
        minutes = (needs.timeLimit ?? defaults.timeLimit).map { ($0 + 59) / 60 + 1 }
        partition = needs.partition ?? defaults.partition
        account = needs.account ?? defaults.account
        qos = needs.qos ?? defaults.qos
        reservation = needs.reservation ?? defaults.reservation
        let wanted = [needs.constraint ?? defaults.constraint].compactMap(\.self) + (needs.labels ?? [])
        constraint = wanted.isEmpty ? nil : wanted.joined(separator: "&")
        excluded = nodes.map(\.name).filter(launch.avoided.contains).sorted()
        folder = launch.folder.launcher
        output = launch.folder.launcher + "/slurm.out"
    }

    /// Ranks of a node, where their number of nodes is given.
    var ranksPerNode: Int? { nodes.map { (ranks + $0 - 1) / $0 } }

    /// For `sbatch`. Slurm never starts a job of Weft's again by itself: another start is another attempt.
    var options: [String] {
        var options = [
            "--job-name=\(name)", "--comment=\(comment)", "--ntasks=\(ranks)", "--cpus-per-task=1", "--mem-per-cpu=\(memoryPerRank)M",
            "--no-requeue", "--open-mode=append", "--chdir=\(folder)", "--output=\(output)",
        ]
        if let nodes, let ranksPerNode { options += ["--nodes=\(nodes)", "--ntasks-per-node=\(ranksPerNode)"] }
        let values = [
            ("time", minutes.map(String.init)), ("partition", partition), ("account", account), ("qos", qos), ("reservation", reservation),
            ("constraint", constraint), ("exclude", excluded.isEmpty ? nil : excluded.joined(separator: ",")),
        ]
        return options + values.compactMap { name, value in value.map { "--\(name)=\($0)" } }
    }
}
