// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import HTTPClient
import WorkflowModel

/// The `weftd` of one installation: found again by its process id and start time.
struct ServerProcess: Codable, Sendable, Equatable {
    var process: ProcessIdentity
    var port: Int

    var address: String { "http://127.0.0.1:\(port)" }

    /// The one that `weft up` started and that still runs.
    static func running(in folder: DataFolder) -> ServerProcess? {
        recorded(in: folder).flatMap { $0.process.isRunning ? $0 : nil }
    }

    private static func recorded(in folder: DataFolder) -> ServerProcess? {
        PrivateFile.read(folder.serverProcess).flatMap { try? WireJSON.decode(ServerProcess.self, from: $0.utf8) }
    }

    /// Removes the record of a server that has ended. One that cannot be read may be that of a server that runs, and stays.
    static func forgetEnded(in folder: DataFolder) {
        if let server = recorded(in: folder) {
            if !server.process.isRunning { unlink(folder.serverProcess) }
        } else if access(folder.serverProcess, F_OK) == 0 {
            StandardStreams.chatter("'\(folder.serverProcess)' cannot be read: if a weftd of this folder still runs, end it by hand.")
        }
    }

    /// Starts `weftd` in a session of its own, so that neither the terminal's end nor its Ctrl-C reaches it.
    static func start(program: String, in folder: DataFolder, port: Int) throws -> ServerProcess {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, folder.serverLog, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        var mask = sigset_t()
        sigemptyset(&mask)
        posix_spawnattr_setsigmask(&attributes, &mask)
        var defaults = sigset_t()
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { sigaddset(&defaults, signal) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        // POSIX_SPAWN_SETSID, which the C library's headers show to GNU sources only.
        let newSession: Int32 = 0x80
        posix_spawnattr_setflags(&attributes, Int16(newSession | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let words = [program, "--config", folder.configuration]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        let environment = ServerConfiguration.environment(processEnvironment()).map { "\($0.key)=\($0.value)" }
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, program, &actions, &attributes, &arguments, &variables)
        guard result == 0, let process = ProcessIdentity(pid: pid) else {
            throw CommandFailure("'\(program)' cannot be started: \(String(cString: strerror(result))).")
        }
        let started = ServerProcess(process: process, port: port)
        try PrivateFile.write(String(decoding: WireJSON.encode(started), as: UTF8.self), to: folder.serverProcess)
        return started
    }

    /// - Returns: whether it says that it is ready.
    func isReady(_ http: HTTPClient) async -> Bool {
        let answer = try? await http.send(HTTPRequest(url: address + "/readyz", timeout: .seconds(5)))
        return answer?.status == 200
    }

    /// - Parameter logStart: size of the log before the server was started, so that only what it says itself is shown.
    func waitUntilReady(in folder: DataFolder, seconds: Double, logStart: off_t = 0) async throws {
        let http = HTTPClient()
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            // The process is asked after last: another program on the port may answer too.
            if await isReady(http), process.isRunning { return }
            guard process.isRunning else {
                throw CommandFailure("weftd ended while it started.\(LogTail.of(folder.serverLog, after: logStart))")
            }
            guard ContinuousClock.now < deadline else {
                throw CommandFailure(
                    "weftd is not ready after \(Format.duration(seconds)).\(LogTail.of(folder.serverLog, after: logStart))",
                    status: .timeout)
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Asks it to end, and ends it when it does not.
    func stop(in folder: DataFolder) async throws {
        process.send(SIGTERM)
        if try await !process.waitForEnd(seconds: 30) {
            StandardStreams.chatter("weftd did not end in 30 s and is killed; what it was doing is taken up at the next start.")
            process.send(SIGKILL)
            guard try await process.waitForEnd(seconds: 10) else { throw CommandFailure("weftd (process \(process.pid)) does not end.") }
        }
        unlink(folder.serverProcess)
    }

    static func findProgram() throws(CommandFailure) -> String { try Executable.ofWeft("weftd") }
}
