// SPDX-License-Identifier: Apache-2.0

import CPosix
import Glibc

/// A program that this one waits for, and that is killed when this one ends, in whatever way.
struct ChildProcess {
    private let pid: pid_t
    /// Readable once it has ended.
    let watch: Int32

    /// To be called on the main thread: the child is killed when the thread that started it ends.
    /// - Parameter descriptors: the child's, from standard output on; its standard input is empty.
    init(_ words: [String], environment: [String: String], directory: String, descriptors: [Int32]) throws(CommandFailure) {
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for word in arguments + variables { free(word) } }
        var pid = pid_t()
        var stage = WEFT_SPAWN_FORK
        var watch: Int32 = -1
        var code = weft_spawn(words[0], arguments, variables, directory, descriptors, Int32(descriptors.count), &pid, &stage)
        if code == 0 { code = weft_watch(pid, &watch) }
        guard code == 0 else {
            throw CommandFailure("'\(words[0])' cannot be started in \(directory): \(String(cString: strerror(code))).")
        }
        self.pid = pid
        self.watch = watch
    }

    /// To be called once, when it has ended.
    /// - Returns: the exit status; 128 + n when signal n ended it.
    func reap() -> Int {
        var code: Int32 = 0
        let state = weft_reap(pid, &code)
        close(watch)
        return state == WEFT_SIGNALLED ? 128 + Int(code) : Int(code)
    }

    func kill() { weft_kill(watch, pid) }
}

/// Ctrl-C, and the request to end.
struct Interruption {
    /// Readable once it has come.
    let descriptor: Int32

    init() throws(CommandFailure) {
        var descriptor: Int32 = -1
        guard weft_catch_termination(&descriptor) == 0 else { throw systemFailure("Signals cannot be caught") }
        self.descriptor = descriptor
    }

    var hasCome: Bool { weft_terminated() != 0 }

    /// Waits until any of the descriptors is readable, an interruption comes, or the time is over.
    func wait(for descriptors: [Int32], milliseconds: Int64) {
        var interest = (descriptors + [descriptor]).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        weft_poll(&interest, interest.count, milliseconds * 1_000_000)
    }

    static func isReadable(_ descriptor: Int32) -> Bool {
        var interest = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        weft_poll(&interest, 1, 0)
        return interest[0].revents != 0
    }
}
