// SPDX-License-Identifier: Apache-2.0

import CPosix
import FoundationEssentials
import Glibc

/// Starts a script as leader of a session of its own, no child of the server.
enum DetachedScript {
    /// The server's, but for what is its own: how it is configured, and what it proves itself with.
    static var inheritedEnvironment: [String: String] {
        ProcessInfo.processInfo.environment.filter { name, _ in !["WEFT_", "PG", "BEARER_TOKEN"].contains { name.hasPrefix($0) } }
    }

    static func start(_ script: String) throws(BackendError) {
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
        let environment = inheritedEnvironment.map { (name, value) -> UnsafeMutablePointer<CChar>? in strdup("\(name)=\(value)") }
        defer { for entry in environment { free(entry) } }
        let code = posix_spawnp(&child, "setsid", &files, &attributes, words + [nil], environment + [nil])
        guard code == 0 else { throw BackendError("The launcher cannot be started: setsid: \(String(cString: strerror(code)))") }
        var status: Int32 = 0
        while waitpid(child, &status, 0) == -1, errno == EINTR {}
        guard status == 0 else { throw BackendError("The launcher cannot be started: setsid ended with status \(status >> 8 & 0xFF)") }
    }
}
