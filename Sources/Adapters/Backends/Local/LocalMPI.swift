// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
package import WorkflowModel

/// Runs ranks on this host with Open MPI's `mpirun`.
package struct LocalMPI: Backend {
    package var mpirun: String
    package var rankProgram: String
    /// Ranks and MiB that this host takes at a time.
    package var slots: Int
    package var memory: Int
    /// What defines the command `module`.
    package var moduleSetup: String?
    package var confinement: Confinement?

    package init(
        mpirun: String, rankProgram: String, slots: Int = .max, memory: Int = .max, moduleSetup: String? = nil,
        confinement: Confinement? = nil
    ) {
        self.mpirun = mpirun
        self.rankProgram = rankProgram
        self.slots = slots
        self.memory = memory
        self.moduleSetup = moduleSetup
        self.confinement = confinement
    }

    package var capabilities: BackendCapabilities {
        BackendCapabilities(placing: .weft, needs: [.timeLimit, .nodes, .architecture], loadsModules: moduleSetup != nil)
    }

    package func nodes() -> [ClusterNode] {
        [
            ClusterNode(
                name: ProcessTable.hostName, cores: ProcessInfo.processInfo.activeProcessorCount, memory: memory, slots: slots,
                architecture: ProcessTable.architecture)
        ]
    }

    package func submit(_ launch: Launch) throws(BackendError) {
        let account = try launch.account.map { (name: String) throws(BackendError) in try HostAccount(name: name) }
        if let account { try give(launch.folder, to: account) }
        let command = command(for: launch)
        try HostLauncher.start(
            LaunchScript(
                launch: launch, preparation: confinement?.preparation(for: launch), leader: HostLauncher.leader, moduleSetup: moduleSetup,
                command: confinement?.wrap(command, for: launch, rankProgram: rankProgram, account: account) ?? command,
                conclusion: confinement?.conclusion(for: launch), temporaryFolder: Self.sessionFolder(launch)))
    }

    package func observe(_ launch: Launch) throws(BackendError) -> LaunchStatus { try HostLauncher.observe(launch) }

    package func withdraw(_ launch: Launch) throws(BackendError) -> Bool { try LauncherFiles(launch.folder).withdraw() }

    @discardableResult
    package func cancel(_ launch: Launch, force: Bool) throws(BackendError) -> Bool {
        let count = try HostLauncher.stop(launch, force: force)
        if force { try? FileManager.default.removeItem(atPath: Self.sessionFolder(launch)) }
        return count > 0
    }

    package func collect(_ launch: Launch, isOver: Bool) {}

    package func explain(_ launch: Launch, _ end: LaunchEnd, plan: Plan, graph: WorkflowGraph) -> FailureReport {
        let output = (try? LauncherFiles(launch.folder).readOutput()) ?? ""
        return MPIRunOutput(output).explain(end, plan: plan, graph: graph, node: ProcessTable.hostName)
    }

    /// Of the attempt's folder all but what the launcher keeps.
    private func give(_ folder: RunFolder, to account: HostAccount) throws(BackendError) {
        guard confinement != nil, geteuid() == 0 else {
            throw BackendError("runs take accounts of their own only where weftd is root and local.confined is true")
        }
        try BackendError.wrapping { try SmallFile.makeFolder(folder.checkpoints) }
        // The way to it; the data folder above lets nobody else in.
        chmod(folder.path + "/..", 0o711)
        var paths = [folder.path, folder.document]
        for part in [folder.work, folder.ranks, folder.checkpoints, folder.module, folder.python] {
            paths.append(part)
            let entries = FileManager.default.enumerator(atPath: part)
            while let name = entries?.nextObject() as? String { paths.append("\(part)/\(name)") }
        }
        for path in paths where lchown(path, account.user, account.group) != 0 {
            throw BackendError("\(FileError("give away", path, errno))")
        }
    }

    /// `mpirun` and its arguments, for the folder `work`.
    ///
    /// Without bindings: with more ranks than cores, bound ranks would starve each other. Naming the layer above the shared
    /// memory spares each rank the search for network cards: 0.2 s. Ranks have few operations in common, at start and end.
    /// What `mpirun` shares with its ranks is in a folder of the attempt's own: in a common one, two that end and begin at the same time
    /// remove each other's. It is not on the disk that PEs may fill.
    package func command(for launch: Launch) -> [String] {
        [
            mpirun, "-n", "\(launch.ranks)", "--oversubscribe", "--bind-to", "none", "--mca", "btl", "self,vader", "--mca", "pml", "ob1",
            "--mca", "coll", "basic,libnbc,self", "--mca", "orte_tmpdir_base", Self.sessionFolder(launch), rankProgram,
            launch.folder.path,
        ]
    }

    static func sessionFolder(_ launch: Launch) -> String { "/tmp/\(launch.name)" }

    /// What `mpirun` needs in its environment; the first two mark every process of the attempt.
    package static func environment(of launch: Launch) -> [(name: String, value: String)] { LaunchScript.environment(of: launch) }
}
