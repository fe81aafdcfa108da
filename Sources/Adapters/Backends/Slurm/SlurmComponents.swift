// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// The components of a job whose ranks need nodes of several classes, which Slurm calls a heterogeneous job: one for each set of labels.
/// Most jobs have one.
struct SlurmComponents: Equatable {
    struct Component: Equatable {
        /// Beside those that all nodes of the run need.
        var labels: Set<String>
        var ranks: Int

        var features: String { labels.sorted().joined(separator: "&") }
    }

    /// Slurm gives them nodes one after the other: who needs more comes first, so that the others leave him the few that he can use.
    let components: [Component]
    private let blocks: [RankBlock]

    init(_ resources: ResourceRequest) {
        let common = Set(resources.needs.labels ?? [])
        let blocks = resources.blocks.map { RankBlock(ranks: $0.ranks, labels: $0.labels.subtracting(common)) }
        self.blocks = blocks.isEmpty ? [RankBlock(ranks: resources.ranks, labels: [])] : blocks
        components = Dictionary(self.blocks.map { ($0.labels, $0.ranks) }, uniquingKeysWith: +).map(Component.init).sorted {
            (-$0.labels.count, $0.features) < (-$1.labels.count, $1.features)
        }
    }

    var isHeterogeneous: Bool { components.count > 1 }

    /// In the order of the ranks: which of the component's ranks, counted from 1, are next.
    private var pieces: [(component: Int, ranks: ClosedRange<Int>)] {
        var taken = Array(repeating: 0, count: components.count)
        return blocks.compactMap { block in
            guard block.ranks > 0, let component = components.firstIndex(where: { $0.labels == block.labels }) else { return nil }
            defer { taken[component] += block.ranks }
            return (component, taken[component] + 1...taken[component] + block.ranks)
        }
    }
}

// MARK: Starting ranks

/// Open MPI knows nothing of components: it is told the host of each rank, and starts its daemons by a script that finds the host's
/// component.
extension SlurmComponents {
    /// For the folder `work`, beside which the launcher's is.
    private static let folder = "../launcher"
    private static let agent = "agent.sh"
    private static let ranks = "ranks.sh"
    /// Of `mpirun`'s connections to its daemons: a host that vanishes is noticed before Slurm ends the job, whose `mpirun` would wait
    /// for it for ever.
    private static let keepalive = [("time", 2), ("intvl", 1), ("probes", 2)]

    static let command = ["sh", "\(folder)/\(ranks)"]

    /// Files of the launcher's folder.
    func scripts(mpirun: String, rank: [String]) -> [(name: String, text: String)] {
        [(Self.ranks, rankScript(mpirun: mpirun, rank: rank)), (Self.agent, agentScript)]
    }

    /// Which hosts there are is known in the job only.
    private func rankScript(mpirun: String, rank: [String]) -> String {
        let count = components.reduce(0) { $0 + $1.ranks }
        var words = [mpirun, "-n", "\(count)", "--bind-to", "none", "--map-by", "seq", "--hostfile", "\(Self.folder)/hosts"]
        // Daemons that leave their session would leave their job step too, and live on after the job.
        words += ["--leave-session-attached", "--mca", "ras", "^slurm", "--mca", "plm", "rsh"]
        words += ["--mca", "plm_rsh_agent", "sh \(Self.folder)/\(Self.agent)", "--mca", "plm_rsh_no_tree_spawn", "1"]
        words += ["--mca", "plm_rsh_num_concurrent", "\(count)"]
        for (setting, value) in Self.keepalive { words += ["--mca", "oob_tcp_keepalive_\(setting)", "\(value)"] }
        let pieces = pieces.map { "    sed -n \($0.ranks.lowerBound),\($0.ranks.upperBound)p \(Self.folder)/nodes.\($0.component)" }
        return """
            # Starts the ranks, each on a node of its component of the job. Written by weftd.
            # A line for each task of the component $1: its node. Slurm writes 4, 4, 1 tasks as 4(x2),1.
            places() {
                eval "nodes=\\$SLURM_JOB_NODELIST_HET_GROUP_$1 tasks=\\$SLURM_TASKS_PER_NODE_HET_GROUP_$1"
                set -- $(scontrol show hostnames "$nodes")
                for count in $(echo "$tasks" | tr , ' '); do
                    case $count in *x*) times=${count#*x} times=${times%)} ;; *) times=1 ;; esac
                    while [ "$times" -gt 0 ] && [ $# -gt 0 ]; do
                        yes "$1" | head -n "${count%(*}"
                        shift
                        times=$((times - 1))
                    done
                done
            }
            for component in \(numbers); do places $component > \(Self.folder)/nodes.$component || exit; done
            {
            \(pieces.joined(separator: "\n"))
            } > \(Self.folder)/hosts || exit
            found=$(grep -c . \(Self.folder)/hosts)
            [ "$found" = \(count) ] || { echo "Slurm gave places to $found of \(count) ranks"; exit 71; }
            exec \((words + rank).map(LaunchScript.quoted).joined(separator: " "))

            """
    }

    /// Called by `mpirun` like `ssh`, with a host and a command.
    private var agentScript: String {
        """
        # Starts Open MPI's daemon on the host $1, which may have lost its domain, in the component of the job that has it.
        # Written by weftd.
        host=$1
        shift
        for component in \(numbers); do
            node=$(awk -v host="$host" '$1 == host || index($1, host ".") == 1 { print; exit }' \(Self.folder)/nodes.$component)
            [ -n "$node" ] || continue
            exec srun --het-group=$component --nodelist="$node" --nodes=1 --ntasks=1 --overlap --mpi=none --cpu-bind=none sh -c "$*"
        done
        echo "no component of the job has the host $host" >&2
        exit 71

        """
    }

    private var numbers: String { components.indices.map(String.init).joined(separator: " ") }
}
