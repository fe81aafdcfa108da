// SPDX-License-Identifier: Apache-2.0

import CPosix
import FoundationEssentials
import Glibc
import Subprocess
import SystemPackage
import WorkflowModel

/// A PostgreSQL cluster of one installation: on a Unix socket only, in a folder that nobody but its account may enter.
struct PrivatePostgres: Sendable {
    static let role = "weft"
    static let database = "weft"

    /// Belongs to the account; holds the cluster, its log and, where the path is short enough, the socket.
    let folder: String
    let programs: String
    let account: Account?
    let socketFolder: String

    /// The unprivileged account that Postgres runs as when root starts it: Postgres refuses to run as root.
    struct Account: Sendable, Equatable {
        var name: String
        var userID: uid_t
        var groupID: gid_t

        init?(named name: String) {
            // The C library's record lives until the next call; its fields are copied here at once.
            guard let record = getpwnam(name)?.pointee else { return nil }
            self.name = name
            userID = record.pw_uid
            groupID = record.pw_gid
        }
    }

    var cluster: String { folder + "/data" }
    var log: String { folder + "/postgres.log" }

    /// What libpq needs to connect.
    var connectionString: String { "host='\(socketFolder)' port=5432 user=\(Self.role) dbname=\(Self.database)" }

    init(in data: DataFolder, programs: String?) throws(CommandFailure) {
        folder = data.postgres
        if geteuid() == 0 {
            guard let found = Account(named: "postgres") else {
                throw CommandFailure(
                    "Postgres does not run as root, and there is no account 'postgres' to run it as. Install Postgres "
                        + "(apt-get install postgresql), or run `weft up` as an ordinary user.")
            }
            account = found
        } else {
            account = nil
        }
        self.programs = try Self.findPrograms(asked: programs, cluster: folder + "/data")
        socketFolder = Self.socketFolder(
            preferred: folder + "/socket", userID: geteuid(), runtimeFolder: geteuid() == 0 ? nil : processEnvironment()["XDG_RUNTIME_DIR"])
    }

    // MARK: Where things are

    /// A Unix socket's path has 107 bytes; where the data folder's is longer, a short one is made from it.
    static func socketFolder(preferred: String, userID: uid_t, runtimeFolder: String?) -> String {
        let fits: (String) -> Bool = { "\($0)/.s.PGSQL.5432.lock".utf8.count <= 107 }
        if fits(preferred) && !preferred.utf8.contains(where: { $0 == UInt8(ascii: "'") || $0 == UInt8(ascii: "\\") }) { return preferred }
        let hash = preferred.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let name = "weft-\(userID)-\(String(hash, radix: 16))"
        if let runtimeFolder, runtimeFolder.hasPrefix("/"), fits("\(runtimeFolder)/\(name)") { return "\(runtimeFolder)/\(name)" }
        return "/tmp/\(name)"
    }

    /// The folder with `initdb` and `pg_ctl`: as asked, else the newest version (that of the cluster, when there is one).
    private static func findPrograms(asked: String?, cluster: String) throws(CommandFailure) -> String {
        let isUsable: (String) -> Bool = { folder in ["initdb", "pg_ctl", "psql"].allSatisfy { access("\(folder)/\($0)", X_OK) == 0 } }
        if let asked {
            guard isUsable(asked) else {
                throw CommandFailure("'\(asked)' has no Postgres programs (initdb, pg_ctl, psql). Correct --postgres-bin.", status: .usage)
            }
            return asked
        }
        let version = PrivateFile.readSystemFile(cluster + "/PG_VERSION").flatMap { Int($0.filter(\.isNumber)) }
        let installed = ((try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []).compactMap { Int($0) }
        var candidates = installed.sorted(by: >).map { "/usr/lib/postgresql/\($0)/bin" }
        if let version { candidates.insert("/usr/lib/postgresql/\(version)/bin", at: 0) }
        candidates += (processEnvironment()["PATH"] ?? "").split(separator: ":").map(String.init)
        guard let found = candidates.first(where: isUsable) else {
            throw CommandFailure(
                "No PostgreSQL programs (initdb, pg_ctl, psql) in /usr/lib/postgresql/*/bin or PATH. Install Postgres "
                    + "(apt-get install postgresql), or name their folder with --postgres-bin.")
        }
        return found
    }

    // MARK: Life

    func isRunning() async throws -> Bool {
        try await run("psql", arguments("postgres", "SELECT 1")).succeeded
    }

    /// Starts it when it does not run, making cluster and database first when they are not there.
    /// - Returns: whether it was started.
    func start(progress: (String) -> Void) async throws -> Bool {
        if access(cluster + "/PG_VERSION", F_OK) == 0, try await isRunning() {
            try await createDatabase()
            return false
        }
        try prepareFolders()
        if access(cluster + "/PG_VERSION", F_OK) != 0 {
            progress("making a PostgreSQL cluster in \(cluster)")
            try await initialise()
        }
        try writeSettings()
        try await removeStaleLocks()
        progress("starting PostgreSQL")
        let logStart = LogTail.size(of: log)
        let started = try await run("pg_ctl", ["start", "-w", "-t", "60", "-s", "-D", cluster, "-l", log])
        guard started.succeeded else {
            _ = try? await run("pg_ctl", ["stop", "-m", "immediate", "-w", "-t", "10", "-s", "-D", cluster])
            throw CommandFailure("PostgreSQL did not start.\(LogTail.of(log, after: logStart, fallback: started.text))")
        }
        do {
            try await createDatabase()
        } catch {
            try await stop()
            throw error
        }
        return true
    }

    func stop() async throws {
        guard postmasterRuns else { return }
        let stopped = try await run("pg_ctl", ["stop", "-m", "fast", "-w", "-t", "60", "-s", "-D", cluster])
        guard stopped.succeeded else { throw CommandFailure("PostgreSQL did not stop.\(LogTail.of(log, fallback: stopped.text))") }
        // Empty now, and made anew at the next start.
        rmdir(socketFolder)
    }

    /// The postmaster of this very cluster: it works in the cluster's folder.
    var postmasterRuns: Bool {
        guard let pid = recordedPid, ProcessIdentity(pid: pid) != nil else { return false }
        return (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")) == resolved(cluster)
    }

    private var recordedPid: Int32? {
        PrivateFile.readSystemFile(cluster + "/postmaster.pid").flatMap { Int32($0.prefix { $0.isNumber }) }
    }

    private func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    /// Postgres refuses to start when the process id that its lock files record is in use, be it by another program after a
    /// crash of the machine, or by a dead process that nobody has reaped.
    private func removeStaleLocks() async throws {
        guard let pid = recordedPid else { return }
        guard kill(pid, 0) == 0 || errno == EPERM, !postmasterRuns else { return }
        // Processes that outlived a killed postmaster may still write; they notice its death and end.
        let deadline = ContinuousClock.now + .seconds(10)
        while anyoneWorks {
            guard ContinuousClock.now < deadline else {
                throw CommandFailure("Processes of an earlier PostgreSQL still work in \(cluster). End them, then try again.")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        unlink(cluster + "/postmaster.pid")
        unlink(socketFolder + "/.s.PGSQL.5432.lock")
    }

    private var anyoneWorks: Bool {
        let cluster = resolved(cluster)
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.contains { pid in
            pid.allSatisfy(\.isNumber) && (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")) == cluster
        }
    }

    private func prepareFolders() throws {
        if let account {
            // The data folder itself is ours to open; those above it are not.
            let data = String(folder.prefix(upTo: folder.lastIndex(of: "/") ?? folder.startIndex))
            var status = weft_file_status()
            if weft_status_of_path(data, &status) == 0 { chmod(data, status.mode | 0o011) }
            if let closed = Self.closedParent(of: data, for: account) {
                throw CommandFailure(
                    "Postgres runs as '\(account.name)', which may not pass '\(closed)'. Choose another data folder with --data, "
                        + "or open that one: chmod o+x \(closed)")
            }
        }
        try makePrivateFolder(folder)
        try makePrivateFolder(socketFolder)
    }

    /// The first folder on the way that the account may not pass.
    private static func closedParent(of path: String, for account: Account) -> String? {
        var current = ""
        for part in path.split(separator: "/") {
            current += "/" + part
            var status = weft_file_status()
            guard weft_status_of_path(current, &status) == 0 else { return current }
            let bit: mode_t =
                status.user == account.userID ? 0o100 : status.group == account.groupID ? 0o010 : 0o001
            if status.mode & bit == 0 { return current }
        }
        return nil
    }

    /// Mode 0700 and the account's own. One that is there is taken only when it is just that: another user may have put it there.
    private func makePrivateFolder(_ path: String) throws(CommandFailure) {
        let owner = account?.userID ?? geteuid()
        if mkdir(path, 0o700) != 0 && errno != EEXIST { throw systemFailure("The folder '\(path)' cannot be made") }
        var status = weft_file_status()
        guard weft_status_of_link(path, &status) == 0, status.kind == WEFT_FILE_FOLDER, status.mode & 0o077 == 0,
            status.user == owner || status.user == geteuid()
        else {
            throw CommandFailure("'\(path)' must be a folder of mode 0700 that belongs to \(account?.name ?? "you"). Move it away.")
        }
        if let account, status.user != owner, lchown(path, account.userID, account.groupID) != 0 {
            throw systemFailure("'\(path)' cannot be given to '\(account.name)'")
        }
    }

    /// Made aside and moved into place, so that a cluster is either complete or not there.
    private func initialise() async throws {
        let unfinished = cluster + ".new"
        try? FileManager.default.removeItem(atPath: unfinished)
        let made = try await run(
            "initdb",
            [
                "-D", unfinished, "-U", Self.role, "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth-local=trust",
                "--auth-host=reject", "--no-instructions",
            ])
        guard made.succeeded else { throw CommandFailure("initdb failed:\n\(made.text.printableLines)") }
        let file = unfinished + "/postgresql.conf"
        guard let settings = PrivateFile.read(file) else { throw CommandFailure("initdb left no '\(file)'.") }
        try writeOwned(settings + "\ninclude_if_exists 'weft.conf'\n", to: file)
        guard rename(unfinished, cluster) == 0 else { throw systemFailure("'\(cluster)' cannot be made") }
    }

    private func writeSettings() throws {
        try writeOwned(
            """
            # Written by `weft up` at every start.
            cluster_name = 'weft'
            listen_addresses = ''
            unix_socket_directories = '\(socketFolder)'
            unix_socket_permissions = 0777  # the folder's mode keeps others out
            port = 5432
            max_connections = 100
            timezone = 'UTC'
            log_timezone = 'UTC'

            """, to: cluster + "/weft.conf")
    }

    private func writeOwned(_ text: String, to path: String) throws(CommandFailure) {
        try PrivateFile.write(text, to: path)
        if let account, lchown(path, account.userID, account.groupID) != 0 {
            throw systemFailure("'\(path)' cannot be given to '\(account.name)'")
        }
    }

    private func createDatabase() async throws {
        if try await run("psql", arguments(Self.database, "SELECT 1")).succeeded { return }
        let created = try await run("psql", arguments("postgres", "CREATE DATABASE \(Self.database)"))
        guard created.succeeded else { throw CommandFailure("The database could not be made: \(created.text.printableLines)") }
    }

    // MARK: Programs

    private func arguments(_ database: String, _ statement: String) -> [String] {
        ["-X", "-q", "-t", "-h", socketFolder, "-p", "5432", "-U", Self.role, "-d", database, "-c", statement]
    }

    private struct Outcome {
        var succeeded: Bool
        var text: String
    }

    private func run(_ program: String, _ arguments: [String]) async throws -> Outcome {
        var command = ["\(programs)/\(program)"] + arguments
        // Not by Subprocess's own user id: the C library's setuid hangs in the child of a process with several threads.
        if let account {
            command = ["/usr/bin/setpriv", "--reuid=\(account.userID)", "--regid=\(account.groupID)", "--clear-groups", "--"] + command
        }
        let result = try await Subprocess.run(
            .path(FilePath(command[0])), arguments: Arguments(Array(command.dropFirst())),
            environment: .custom(["PATH": "\(programs):/usr/bin:/bin", "LC_MESSAGES": "C", "PGCONNECT_TIMEOUT": "5"]),
            workingDirectory: "/", output: .string(limit: 1 << 16, encoding: UTF8.self), error: .combinedWithOutput)
        return Outcome(succeeded: result.terminationStatus.isSuccess, text: result.standardOutput)
    }
}
