// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A throw-away PostgreSQL cluster in a temporary folder, reached by its Unix socket only. It ends, and its folder goes, with
/// the process that started it.
package final class PrivatePostgres: Sendable {
    /// One for the whole test process; each test makes a database of its own in it.
    package static var shared: PrivatePostgres { get async throws { try await sharedStart.value } }
    private static let sharedStart = Task { try await start() }

    private let folder: String
    private let programs: String
    /// The supervisor removes the cluster when this is closed: so also when this process dies.
    private let lifeline: Pipe
    private let supervisor: Process

    /// Starts a cluster of the caller's own, for tests that stop or restart it.
    package static func start() async throws -> PrivatePostgres {
        // Short, since a Unix socket's path is.
        let folder = "/tmp/weft-pg-\(UUID().uuidString.prefix(8).lowercased())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        if geteuid() == 0 { _ = try await Program.run("/bin/chown", ["postgres", folder]) }
        let postgres = try PrivatePostgres(folder: folder, programs: programsFolder())
        try await postgres.command(
            "initdb", ["-D", postgres.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
        try await postgres.resume()
        return postgres
    }

    private init(folder: String, programs: String) throws {
        self.folder = folder
        self.programs = programs
        lifeline = Pipe()
        supervisor = Process()
        let stop = Self.asServerUser([programs + "/pg_ctl", "-D", folder + "/data", "-m", "immediate", "stop"]).joined(separator: " ")
        supervisor.executableURL = URL(filePath: "/bin/sh")
        supervisor.arguments = ["-c", "trap '' INT TERM HUP; cat; \(stop); rm -rf \(folder)"]
        supervisor.standardInput = lifeline
        supervisor.standardOutput = FileHandle.nullDevice
        supervisor.standardError = FileHandle.nullDevice
        // No other child may hold the supervisor's standard input open.
        _ = fcntl(lifeline.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        try supervisor.run()
    }

    deinit { try? lifeline.fileHandleForWriting.close() }

    private var data: String { folder + "/data" }

    /// Conninfo for libpq.
    package func conninfo(database: String = "postgres") -> String { "host=\(folder) user=postgres dbname=\(database)" }

    /// - Returns: the name of a new, empty database.
    package func createDatabase() async throws -> String {
        let name = "test_\(UUID().uuidString.prefix(8).lowercased())"
        try await command("createdb", ["-h", folder, "-U", "postgres", "-T", "template0", name])
        return name
    }

    /// Stops the server; its data stay.
    package func stop() async throws { try await control("stop") }

    /// Starts the server after ``stop()``.
    package func resume() async throws { try await control("start") }

    package func restart() async throws { try await control("restart") }

    private func control(_ verb: String) async throws {
        // Durability is not what is tested.
        let settings = "-c listen_addresses= -c unix_socket_directories=\(folder) -c fsync=off -c max_connections=1000"
        let start = verb == "stop" ? [] : ["-l", folder + "/log", "-o", settings]
        try await command("pg_ctl", ["-D", data, "-m", "fast", "-w", "-t", "60"] + start + [verb])
    }

    private func command(_ name: String, _ arguments: [String]) async throws {
        let command = Self.asServerUser([programs + "/" + name] + arguments)
        let result = try await Program.run(command[0], Array(command.dropFirst()))
        guard result.status == 0 else { throw TimeoutError(description: "\(name) failed: \(result)") }
    }

    /// PostgreSQL refuses to run as root.
    private static func asServerUser(_ command: [String]) -> [String] {
        geteuid() == 0 ? ["/usr/sbin/runuser", "-u", "postgres", "--"] + command : command
    }

    private static func programsFolder() throws -> String {
        let files = FileManager.default
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        let debian = "/usr/lib/postgresql"
        let versions = ((try? files.contentsOfDirectory(atPath: debian)) ?? []).compactMap { Int($0) }.sorted(by: >)
        let candidates = path + versions.map { "\(debian)/\($0)/bin" }
        guard let initdb = candidates.map({ $0 + "/initdb" }).first(where: files.isExecutableFile) else {
            throw TimeoutError(description: "PostgreSQL's initdb is neither in PATH nor in \(debian)/*/bin; install 'postgresql'")
        }
        // The other programs are beside it, not necessarily beside a link to it.
        return String(URL(filePath: initdb).resolvingSymlinksInPath().path().dropLast("/initdb".count))
    }
}
