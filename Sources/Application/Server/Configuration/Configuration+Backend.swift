// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation

extension Configuration {
    /// The one place where an engine is chosen.
    func backend() throws(StartFailure) -> any Backend {
        switch engine {
        case .local:
            LocalMPI(
                mpirun: local.mpirun, rankProgram: local.rankProgram, slots: local.slots, memory: local.memoryMB,
                moduleSetup: runs.moduleSetup, confinement: local.isConfined ? confinement : nil)
        case .ssh:
            SSHHosts(
                .init(
                    hosts: ssh.hosts, mpirun: local.mpirun, rankProgram: try sharedRankProgram(), ssh: ["ssh"] + ssh.options,
                    network: ssh.network, sharesFolder: ssh.sharesFolder, moduleSetup: runs.moduleSetup))
        case .slurm:
            Slurm(
                .init(
                    rankProgram: try sharedRankProgram(), launcher: slurm.launcher, mpirun: local.mpirun, maximumJobs: slurm.maximumJobs,
                    defaults: slurm.defaults, moduleSetup: runs.moduleSetup, rest: slurm.interface == .rest ? slurm.rest : nil))
        case .kubernetes:
            Kubernetes(
                .init(
                    access: try Kubeconfig.access(
                        path: kubernetes.kubeconfig, namespace: kubernetes.namespace, environment: ProcessInfo.processInfo.environment),
                    pods: kubernetes.pods ?? KubernetesSettings(image: "", claim: ""), dataFolder: dataFolder,
                    rankProgram: try sharedRankProgram(), mpirun: "mpirun", maximumJobs: kubernetes.maximumJobs,
                    moduleSetup: runs.moduleSetup))
        }
    }

    private var confinement: Confinement {
        // What a host does not have needs not be hidden, and cannot be.
        let hidden = local.hidden.filter { FileManager.default.fileExists(atPath: $0) }
        return Confinement(
            bubblewrap: Host.inPath("bwrap"), dataFolder: dataFolder, hidden: hidden, readable: local.readable, writable: local.writable,
            hasNetwork: local.network, maximumProcesses: local.maximumProcesses, maximumFile: local.maximumFileMB,
            controlGroup: local.controlGroup)
    }

    /// Nodes have no Weft of their own: the rank program is put beside the runs, where they find it.
    ///
    /// - Returns: its path. The name tells its content, so that runs under way keep the program that they began with.
    private func sharedRankProgram() throws(StartFailure) -> String {
        do {
            let attributes = try FileManager.default.attributesOfItem(atPath: local.rankProgram)
            let (size, changed) = (attributes[.size] as? Int ?? 0, (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0)
            let folder = "\(dataFolder)/programs"
            let path = "\(folder)/weft-rank-\(Int(changed))-\(size)"
            if FileManager.default.fileExists(atPath: path) { return path }
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let temporary = "\(path).\(ProcessInfo.processInfo.processIdentifier)"
            try FileManager.default.copyItem(atPath: local.rankProgram, toPath: temporary)
            if rename(temporary, path) != 0 { throw CocoaError(.fileWriteUnknown) }
            return path
        } catch {
            throw StartFailure(
                .cannotCreate, "\(local.rankProgram) cannot be put into \(dataFolder)/programs for the nodes: \(error.localizedDescription)"
            )
        }
    }
}
