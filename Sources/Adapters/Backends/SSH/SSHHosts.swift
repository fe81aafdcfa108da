// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import WorkflowModel

/// A host of the static list.
package struct SSHHost: Sendable, Equatable, Codable {
    package var name: String
    /// Ranks at a time; absent: its cores.
    package var slots: Int?
    /// MiB for runs; absent: what it has.
    package var memory: Int?
    package var labels: [String]?

    package init(name: String, slots: Int? = nil, memory: Int? = nil, labels: [String]? = nil) {
        self.name = name
        self.slots = slots
        self.memory = memory
        self.labels = labels
    }

    private enum CodingKeys: String, CodingKey {
        case name, slots, labels
        case memory = "memory_mb"
    }
}

/// Runs ranks on hosts that this one reaches by ssh, with Open MPI's `mpirun` started here.
///
/// The folder of the run is on a file system that all share, or is copied to the hosts before and collected from them with `rsync`.
package struct SSHHosts: Backend {
    package struct Configuration: Sendable, Equatable {
        package var hosts: [SSHHost]
        package var mpirun: String
        package var rankProgram: String
        /// `ssh` and its options.
        package var ssh: [String]
        /// The network that ranks and daemons use, as `10.1.0.0/16`; absent: Open MPI chooses.
        package var network: String?
        package var sharesFolder: Bool
        package var moduleSetup: String?

        package init(
            hosts: [SSHHost], mpirun: String, rankProgram: String, ssh: [String], network: String? = nil, sharesFolder: Bool = true,
            moduleSetup: String? = nil
        ) {
            self.hosts = hosts
            self.mpirun = mpirun
            self.rankProgram = rankProgram
            self.ssh = ssh
            self.network = network
            self.sharesFolder = sharesFolder
            self.moduleSetup = moduleSetup
        }
    }

    private let configuration: Configuration
    private let probe: HostProbe

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        probe = HostProbe(hosts: configuration.hosts, ssh: Self.ssh(configuration))
    }

    /// A host that vanishes without a word is noticed after two unanswered questions, 2 s apart.
    private static func ssh(_ configuration: Configuration) -> [String] {
        configuration.ssh + [
            "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=2", "-o", "ServerAliveCountMax=2",
        ]
    }

    package var capabilities: BackendCapabilities {
        BackendCapabilities(
            placing: .weft,
            needs: [.timeLimit, .nodes, .labels, .elements, .architecture], loadsModules: configuration.moduleSetup != nil)
    }

    package func nodes() async -> [ClusterNode] { await probe.nodes() }

    package func submit(_ launch: Launch) async throws(BackendError) {
        guard let shares = launch.nodes, !shares.isEmpty else { throw BackendError("the run has no place on the hosts") }
        if !configuration.sharesFolder { try await staging(launch).deliver() }
        try HostLauncher.start(
            LaunchScript(
                launch: launch, leader: HostLauncher.leader, command: command(for: launch, on: shares),
                temporaryFolder: LocalMPI.sessionFolder(launch)))
    }

    package func observe(_ launch: Launch) throws(BackendError) -> LaunchStatus { try HostLauncher.observe(launch) }

    package func withdraw(_ launch: Launch) throws(BackendError) -> Bool { try LauncherFiles(launch.folder).withdraw() }

    @discardableResult
    package func cancel(_ launch: Launch, force: Bool) async throws(BackendError) -> Bool {
        var found = try HostLauncher.stop(launch, force: force) > 0
        guard force else { return found }
        try? FileManager.default.removeItem(atPath: LocalMPI.sessionFolder(launch))
        // Ranks end with their daemon, and that with mpirun; what a PE had started of its own may not.
        let hunt = RemoteHunt(launch: launch)
        for (host, answer) in await onHosts(of: launch, [hunt.command], seconds: 10) {
            guard let answer, answer.status == 0 else {
                // A host that does not answer cannot be cleared. What ran there has lost its launcher.
                await probe.lost(host)
                continue
            }
            if Int(answer.output.filter(\.isNumber)) ?? 0 > 0 { found = true }
        }
        return found
    }

    package func collect(_ launch: Launch, isOver: Bool) async throws(BackendError) {
        if configuration.sharesFolder { launch.refreshSharedFolder() } else { try await staging(launch).collect(isOver: isOver) }
    }

    package func explain(_ launch: Launch, _ end: LaunchEnd, plan: Plan, graph: WorkflowGraph) async -> FailureReport {
        let output = (try? LauncherFiles(launch.folder).readOutput()) ?? ""
        let report = MPIRunOutput(output).explain(end, plan: plan, graph: graph, node: ProcessTable.hostName)
        if report.cause == .node {
            if let node = report.node { await probe.lost(node) }
            return report
        }
        // mpirun does not always tell which host it lost.
        for (host, answer) in await onHosts(of: launch, ["true"], seconds: 8) where answer?.status != 0 {
            await probe.lost(host)
            let words = answer.map { ": \($0.complaint)" } ?? ""
            return FailureReport(
                cause: .node, message: "The node \(host) failed, or could no longer be reached, while ranks ran on it\(words).", at: Date(),
                node: host, traceback: report.traceback)
        }
        return report
    }

    // MARK: Commands

    /// `mpirun` asks every host itself, so that hosts need no way to each other but the network of the ranks.
    func command(for launch: Launch, on shares: [NodeShare]) -> [String] {
        let agent = (Self.ssh(configuration) + ["-q"]).map(LaunchScript.quoted).joined(separator: " ")
        var words = [
            configuration.mpirun, "--oversubscribe", "--bind-to", "none", "--mca", "plm", "rsh", "--mca", "plm_rsh_agent", agent, "--mca",
            "plm_rsh_no_tree_spawn", "1", "--mca", "btl", "self,vader,tcp", "--mca", "pml", "ob1", "--mca", "coll", "basic,libnbc,self",
            "--mca", "orte_tmpdir_base", LocalMPI.sessionFolder(launch),
        ]
        for setting in ["time", "intvl", "probes"] { words += ["--mca", "oob_tcp_keepalive_\(setting)", setting == "intvl" ? "1" : "2"] }
        if let network = configuration.network {
            words += ["--mca", "btl_tcp_if_include", network, "--mca", "oob_tcp_if_include", network]
        }
        for variable in LaunchScript.environment(of: launch) { words += ["-x", variable.name] }
        let program = rank(launch)
        let contexts = shares.map { ["-n", "\($0.ranks)", "-host", "\($0.node):\($0.ranks)", "--wdir", launch.folder.work] + program }
        return words + contexts.joined(separator: [":"])
    }

    /// Environment modules change many variables: they are loaded where the rank starts.
    private func rank(_ launch: Launch) -> [String] {
        let rank = [configuration.rankProgram, launch.folder.path]
        guard let modules = launch.resources.needs.modules, !modules.isEmpty, let setup = configuration.moduleSetup else { return rank }
        let (path, names) = (LaunchScript.quoted(setup), modules.map(LaunchScript.quoted).joined(separator: " "))
        let list = "[ \"$OMPI_COMM_WORLD_RANK\" != 0 ] || module -t list > \(LaunchScript.quoted(launch.folder.modules)) 2>&1"
        let load = """
            { [ -r \(path) ] && . \(path) && module load \(names); } || exit \(LaunchScript.modulesFailed)
            \(list)
            exec \(rank.map(LaunchScript.quoted).joined(separator: " "))
            """
        return ["sh", "-c", load]
    }

    private func onHosts(of launch: Launch, _ words: [String], seconds: Int) async -> [(host: String, answer: Command.Result?)] {
        let ssh = Self.ssh(configuration)
        return await withTaskGroup { group in
            for host in Set(launch.nodes?.map(\.node) ?? []).sorted() {
                group.addTask { (host, try? await Command(ssh + [host] + words, seconds: seconds).run()) }
            }
            var answers: [(host: String, answer: Command.Result?)] = []
            for await answer in group { answers.append(answer) }
            return answers
        }
    }

    private func staging(_ launch: Launch) -> HostStaging {
        HostStaging(
            folder: launch.folder, rankProgram: configuration.rankProgram, hosts: Set(launch.nodes?.map(\.node) ?? []).sorted(),
            ssh: Self.ssh(configuration))
    }
}

/// Ends the processes of a launch on a host, found by their environment, and says how many there were.
struct RemoteHunt {
    var launch: Launch

    var command: String {
        """
        n=0; for f in $(grep -lszx WEFT_RUN_ID=\(launch.run) /proc/[0-9]*/environ | xargs -r grep -lszx WEFT_ATTEMPT=\(launch.attempt)); \
        do p=${f#/proc/}; p=${p%/environ}; [ $p = $$ ] || { kill -9 $p && n=$((n+1)); } 2>/dev/null; done; \
        rm -rf \(LocalMPI.sessionFolder(launch)); echo $n
        """
    }
}
