// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import WorkflowModel

/// What keeps the code of PEs on this host to its own: a view of the file system, no network, and limits. All ranks of an attempt share
/// one sandbox, made by bubblewrap around `mpirun`.
package struct Confinement: Sendable, Equatable {
    private static let rankProgram = "/tmp/weft-rank"

    package var bubblewrap: String
    /// The server's: of it an attempt sees its own run and the environments.
    package var dataFolder: String
    /// Folders that are empty for PEs.
    package var hidden: [String]
    /// Folders that PEs may read although they are hidden, or below `/tmp`.
    package var readable: [String]
    package var writable: [String]
    package var hasNetwork: Bool
    /// Of an attempt.
    package var maximumProcesses: Int
    /// MiB of a file.
    package var maximumFile: Int
    /// A control group in which the server may make others: of version 2, or the memory controller's of version 1. Without it, memory
    /// is limited for each process by itself.
    package var controlGroup: String?

    package init(
        bubblewrap: String, dataFolder: String, hidden: [String], readable: [String] = [], writable: [String] = [],
        hasNetwork: Bool = false, maximumProcesses: Int = 4096, maximumFile: Int = 1 << 20, controlGroup: String? = nil
    ) {
        self.bubblewrap = bubblewrap
        self.dataFolder = dataFolder
        self.hidden = hidden
        self.readable = readable
        self.writable = writable
        self.hasNetwork = hasNetwork
        self.maximumProcesses = maximumProcesses
        self.maximumFile = maximumFile
        self.controlGroup = controlGroup
    }

    /// The command inside of the sandbox, with its limits.
    ///
    /// - Parameter account: whose processes they are; `nil`: the server's.
    func wrap(_ command: [String], for launch: Launch, rankProgram: String, account: HostAccount?) -> [String] {
        var words = [
            bubblewrap, "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
            "--perms", "1777", "--tmpfs", "/dev/shm", "--perms", "1777", "--tmpfs", "/tmp",
        ]
        if !hasNetwork { words.append("--unshare-net") }
        for folder in [dataFolder] + hidden { words += ["--tmpfs", folder] }
        // Of a run, what earlier attempts kept at checkpoints is read by later ones.
        let run = launch.folder.path.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        // What bubblewrap makes on the way to a folder is its own otherwise.
        words += ["--perms", "0755", "--dir", "\(dataFolder)/runs"]
        for folder in ["\(dataFolder)/environments", run] + readable { words += ["--ro-bind-try", folder, folder] }
        for folder in [launch.folder.path] + writable { words += ["--bind", folder, folder] }
        // Wherever it is, its place may be hidden, or the way to it.
        words += ["--ro-bind", rankProgram, Self.rankProgram, "--chdir", launch.folder.work]
        let command = command.map { $0 == rankProgram ? Self.rankProgram : $0 }
        if let account {
            // bubblewrap keeps no right for root that is not named.
            words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--"]
            words += [
                "setpriv", "--reuid", "\(account.user)", "--regid", "\(account.group)", "--init-groups", "--inh-caps=-all",
                "--no-new-privs",
            ]
        } else {
            words.append("--")
        }
        return limited(for: launch) + words + command
    }

    /// Sets the limits, and becomes the command.
    private func limited(for launch: Launch) -> [String] {
        var words = ["prlimit", "--core=0", "--fsize=\(maximumFile << 20)", "--nproc=\(maximumProcesses)"]
        if let group = group(of: launch) {
            return words + ["sh", "-c", "echo $$ > \(LaunchScript.quoted(group))/cgroup.procs || exit 73; exec \"$@\"", "sh"]
        }
        words.append("--data=\(launch.resources.memoryPerRank << 20)")
        return words
    }

    private func group(of launch: Launch) -> String? { controlGroup.map { "\($0)/\(launch.name)" } }

    /// Before the ranks: makes the attempt's control group, and removes those of earlier ones that could not be removed while ended
    /// processes in them were not reaped. A host without memory accounting for groups is told by the error.
    func preparation(for launch: Launch) -> String? {
        guard let group = group(of: launch).map(LaunchScript.quoted) else { return nil }
        let bytes = launch.ranks * launch.resources.memoryPerRank << 20
        return """
            find \(LaunchScript.quoted(controlGroup ?? "")) -maxdepth 1 -name 'weft-run_*' -mmin +1 -exec rmdir {} + 2>/dev/null
            mkdir -p \(group) || exit 73
            if [ -e \(group)/memory.max ]; then
                echo \(bytes) > \(group)/memory.max && echo \(maximumProcesses) > \(group)/pids.max
                echo 0 > \(group)/memory.swap.max 2>/dev/null
            else
                echo \(bytes) > \(group)/memory.limit_in_bytes
            fi
            """
    }

    /// After the ranks: keeps whether memory ran out, and removes the group.
    func conclusion(for launch: Launch) -> String? {
        guard let group = group(of: launch).map(LaunchScript.quoted) else { return nil }
        return """
            cat \(group)/memory.events \(group)/memory.oom_control 2>/dev/null | grep '^oom_kill ' > ../launcher/oom
            rmdir \(group) 2>/dev/null
            """
    }
}

/// An account of this host.
struct HostAccount: Equatable {
    var user: uid_t
    var group: gid_t

    init(name: String) throws(BackendError) {
        guard let entry = getpwnam(name) else { throw BackendError("this host has no account '\(name)'") }
        (user, group) = (entry.pointee.pw_uid, entry.pointee.pw_gid)
    }
}
