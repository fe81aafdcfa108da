// SPDX-License-Identifier: Apache-2.0

import CPosix
package import FoundationEssentials
import Glibc
package import WorkflowModel

/// Runs ranks on this host with Open MPI's `mpirun`.
///
/// The launcher is a shell script in a session of its own: it outlives the server, and leaves its process id and the exit
/// status of `mpirun` in the attempt's folder.
package struct LocalMPI: Backend {
    package var mpirun: String
    package var rankProgram: String

    /// A launcher that has not named itself after this time never will.
    private static let secondsToBegin = 20

    package init(mpirun: String, rankProgram: String) {
        self.mpirun = mpirun
        self.rankProgram = rankProgram
    }

    package func launch(_ launch: Launch) throws(BackendError) {
        let files = LauncherFiles(launch.folder)
        try Self.filing {
            try SmallFile.makeFolder(launch.folder.launcher)
            // The exit status has its place on the disk before anything starts, so that a full disk cannot hide it.
            if try SmallFile.read(files.exitStatus) == nil { try SmallFile.write("   \n".utf8, to: files.exitStatus) }
            if try SmallFile.read(files.script) == nil {
                try SmallFile.write(Self.script(for: launch, mpirun: mpirun, rankProgram: rankProgram).utf8, to: files.script)
            }
        }
        try Self.startDetached(script: files.script)
    }

    package func observe(_ launch: Launch) throws(BackendError) -> LaunchStatus {
        let files = LauncherFiles(launch.folder)
        return try Self.filing {
            if let status = try files.readExitStatus() { return .exited(status) }
            guard let leader = try files.readLeader() else {
                return files.secondsSinceClaim.map { $0 > Self.secondsToBegin ? .vanished : .absent } ?? .absent
            }
            if try ProcessTable.isAlive(leader) { return .running }
            // It may have written its status between the two looks.
            return try files.readExitStatus().map(LaunchStatus.exited) ?? .vanished
        }
    }

    package func endedAt(_ launch: Launch) -> Date? {
        var info = stat()
        let files = LauncherFiles(launch.folder)
        guard (try? files.readExitStatus()) != nil, stat(files.exitStatus, &info) == 0 else { return nil }
        return Date(timeIntervalSince1970: Double(info.st_mtim.tv_sec) + Double(info.st_mtim.tv_nsec) / 1e9)
    }

    /// Gives what is wrong with a file as the backend's error.
    private static func filing<T>(_ body: () throws -> T) throws(BackendError) -> T {
        do { return try body() } catch { throw BackendError("\(error)") }
    }

    package func withdraw(_ launch: Launch) throws(BackendError) -> Bool {
        let files = LauncherFiles(launch.folder)
        try Self.filing { try SmallFile.makeFolder(launch.folder.launcher) }
        if mkdir(files.claim, 0o755) == 0 { return true }
        guard errno == EEXIST else {
            throw BackendError("\(files.claim) cannot be made: \(String(cString: strerror(errno)))")
        }
        return false
    }

    @discardableResult
    package func stop(_ launch: Launch, force: Bool) throws(BackendError) -> Int {
        let marks = ["WEFT_RUN_ID=\(launch.run)", "WEFT_ATTEMPT=\(launch.attempt)"]
        let family = try Self.filing {
            let leader = try LauncherFiles(launch.folder).readLeader()
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
        if force { try? FileManager.default.removeItem(atPath: Self.sessionFolder(launch)) }
        return family.count
    }

    package func explain(_ launch: Launch, status: LaunchStatus, plan: Plan, graph: WorkflowGraph) -> FailureReport {
        let output = (try? LauncherFiles(launch.folder).readOutput()) ?? ""
        return MPIRunOutput(output).explain(status: status, plan: plan, graph: graph, node: ProcessTable.hostName)
    }

    /// The launch script. `mkdir` makes sure that it runs only once, whoever starts it again.
    static func script(for launch: Launch, mpirun: String, rankProgram: String) -> String {
        let words = LocalMPI(mpirun: mpirun, rankProgram: rankProgram).command(for: launch)
        return """
            #!/bin/sh
            # Starts attempt \(launch.attempt) of \(launch.run). Written by weftd.
            cd \(shellQuoted(launch.folder.launcher)) || exit 71
            mkdir claimed 2>/dev/null || exit 0
            read -r stat < /proc/$$/stat
            printf '%s\\n' "$stat" > leader.tmp && mv leader.tmp leader
            export \(environment(of: launch).map { "\($0.name)=\($0.value)" }.joined(separator: " "))
            cd ../work || exit 71
            \(words.map(shellQuoted).joined(separator: " ")) > ../launcher/output 2>&1 < /dev/null
            printf '%03d' $? 1<> ../launcher/exit
            rm -rf \(shellQuoted(sessionFolder(launch)))

            """
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

    static func sessionFolder(_ launch: Launch) -> String { "/tmp/weft-\(launch.run)-\(launch.attempt)" }

    /// What `mpirun` needs in its environment; the first two mark every process of the attempt.
    package static func environment(of launch: Launch) -> [(name: String, value: String)] {
        [
            ("WEFT_RUN_ID", "\(launch.run)"), ("WEFT_ATTEMPT", "\(launch.attempt)"), ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
            ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
        ]
    }

    static func shellQuoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: ","), UInt8(ascii: "="):
                true
            default: false
            }
        }
        return isPlain && !text.isEmpty ? text : "'" + text.replacing("'", with: "'\\''") + "'"
    }

    /// The server's, but for what is its own: how it is configured, and what it proves itself with.
    private static var inheritedEnvironment: [String] {
        ProcessInfo.processInfo.environment.filter { name, _ in
            !["WEFT_", "PG", "BEARER_TOKEN"].contains { name.hasPrefix($0) }
        }.map { "\($0)=\($1)" }
    }

    /// `setsid --fork` leaves the script as leader of a session of its own, no child of the server.
    private static func startDetached(script: String) throws(BackendError) {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The server's blocked and ignored signals are not the ranks'.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0)

        let words: [UnsafeMutablePointer<CChar>?] = ["setsid", "--fork", "/bin/sh", script].map { (word: String) in strdup(word) }
        defer { for word in words { free(word) } }
        // A descriptor that a library opened without the flag must not live on in a run: the port that the server listens at.
        _ = weft_close_on_exec(3)
        var child = pid_t()
        let environment = inheritedEnvironment.map { (entry: String) -> UnsafeMutablePointer<CChar>? in strdup(entry) }
        defer { for entry in environment { free(entry) } }
        let code = posix_spawnp(&child, "setsid", &files, &attributes, words + [nil], environment + [nil])
        guard code == 0 else { throw BackendError("The launcher cannot be started: setsid: \(String(cString: strerror(code)))") }
        var status: Int32 = 0
        while waitpid(child, &status, 0) == -1, errno == EINTR {}
        guard status == 0 else { throw BackendError("The launcher cannot be started: setsid ended with status \(status >> 8 & 0xFF)") }
    }
}

/// The files through which a launch is known.
struct LauncherFiles {
    var folder: String

    init(_ folder: RunFolder) { self.folder = folder.launcher }

    var script: String { folder + "/launch.sh" }
    /// A folder: who makes it first may start the ranks, or has made sure that nobody will.
    var claim: String { folder + "/claimed" }
    var leader: String { folder + "/leader" }
    var exitStatus: String { folder + "/exit" }
    var output: String { folder + "/output" }

    func readExitStatus() throws(FileError) -> Int? {
        try SmallFile.read(exitStatus).flatMap { Int(String(decoding: $0.prefix(3), as: UTF8.self)) }
    }

    func readLeader() throws(FileError) -> ProcessTable.Identity? {
        try SmallFile.read(leader).flatMap { ProcessTable.Identity(stat: String(decoding: $0, as: UTF8.self)) }
    }

    var secondsSinceClaim: Int? {
        var info = stat()
        guard stat(claim, &info) == 0 else { return nil }
        return time(nil) - info.st_mtim.tv_sec
    }

    /// The last 64 KiB of what `mpirun` printed.
    func readOutput() throws(FileError) -> String {
        String(decoding: (try SmallFile.read(output) ?? []).suffix(64 << 10), as: UTF8.self)
    }
}
