// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import WorkflowModel

/// Launch scripts on this host, each in a session of its own: they outlive the server, and leave their process id and the exit status
/// of `mpirun` in the attempt's folder.
enum HostLauncher {
    /// A line of `/proc/PID/stat`, without a process of its own.
    static let leader = "read -r stat < /proc/$$/stat; printf '%s\\n' \"$stat\""

    static func start(_ script: LaunchScript) throws(BackendError) {
        let files = LauncherFiles(script.launch.folder)
        try files.write(script)
        try DetachedScript.start(files.script)
    }

    static func observe(_ launch: Launch) throws(BackendError) -> LaunchStatus {
        let files = LauncherFiles(launch.folder)
        switch try files.progress() {
        case .unclaimed: return .absent
        case .withdrawn: return .ended(LaunchEnd(.vanished))
        case .exited(let status, let at):
            if status != 0, files.ranOutOfMemory {
                let words = "the limit is \(launch.ranks) × \(launch.resources.memoryPerRank) MiB"
                return .ended(LaunchEnd(.outOfMemory, at: at, nodes: [ProcessTable.hostName], detail: words))
            }
            return .ended(LaunchEnd(.exited(status), at: at))
        case .claimed(let leader, let seconds):
            guard let identity = leader.flatMap({ ProcessTable.Identity(stat: $0) }) else {
                return seconds > LauncherFiles.secondsToBegin ? .ended(LaunchEnd(.vanished)) : .absent
            }
            if try BackendError.wrapping({ try ProcessTable.isAlive(identity) }) { return .running }
            if case .exited(let status, let at) = try files.progress() { return .ended(LaunchEnd(.exited(status), at: at)) }
            return .ended(LaunchEnd(.vanished))
        }
    }

    /// - Returns: number of processes of the attempt that were still on this host.
    static func stop(_ launch: Launch, force: Bool) throws(BackendError) -> Int {
        let marks = LaunchScript.environment(of: launch).prefix(2).map { "\($0.name)=\($0.value)" }
        let family = try BackendError.wrapping {
            let leader = try SmallFile.read(LauncherFiles(launch.folder).leader).flatMap {
                ProcessTable.Identity(stat: String(decoding: $0, as: UTF8.self))
            }
            let isAlive = try leader.map(ProcessTable.isAlive) ?? false
            return try ProcessTable.family(of: isAlive ? leader?.id : nil, withEnvironment: marks)
        }
        for (process, isMarked) in family {
            // What a PE started without its environment could not be found any more once the PE's worker is gone.
            if force || !isMarked {
                kill(process.id, SIGKILL)
            } else if process.name == "mpirun" || process.name == "orterun" {
                kill(process.id, SIGTERM)
            }
        }
        return family.count
    }
}
