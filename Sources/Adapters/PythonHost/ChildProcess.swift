// SPDX-License-Identifier: Apache-2.0

import CPosix
import Glibc

/// A process that this one looks after, not necessarily its own child.
package struct WatchedProcess {
    package let pid: Int32
    /// Becomes readable when the process ends.
    package let descriptor: Int32

    /// - Returns: nothing where there is no such process.
    init?(pid: Int32) {
        var watching: Int32 = -1
        guard pid > 1, weft_watch(pid, &watching) == 0 else { return nil }
        self.pid = pid
        descriptor = watching
    }

    /// Kills it and what it has started in its process group, unless it has ended.
    package func kill() { weft_kill(descriptor, pid) }

    /// Nothing may be asked of it any more.
    package func forget() { close(descriptor) }
}

/// A process that this one has started.
package struct ChildProcess {
    package struct Failure: Error {
        package var cause: SpawnFailure.Cause
        package var code: Int32

        package init(cause: SpawnFailure.Cause, code: Int32) {
            self.cause = cause
            self.code = code
        }
    }

    package let process: WatchedProcess

    /// - Parameter descriptors: what it finds as descriptors 1, 2, 3 and so on.
    package init(path: String, arguments: [String], environment: [String], directory: String, descriptors: [Int32]) throws(Failure) {
        var pid: pid_t = 0
        var stage = WEFT_SPAWN_FORK
        func spawn() -> Int32 {
            withCStrings([path] + arguments) { arguments in
                withCStrings(environment) { environment in
                    weft_spawn(path, arguments, environment, directory, descriptors, Int32(descriptors.count), &pid, &stage)
                }
            }
        }
        var error = spawn()
        // A program that was written just now may be open for writing in a child of another thread, until that has its own program.
        for _ in 0..<100 where error == ETXTBSY {
            usleep(10_000)
            error = spawn()
        }
        guard error == 0 else {
            throw Failure(
                cause: stage == WEFT_SPAWN_EXEC ? .interpreter : stage == WEFT_SPAWN_DIRECTORY ? .directory : .system, code: error)
        }
        guard let process = WatchedProcess(pid: pid) else {
            let code = errno
            kill(-pid, SIGKILL)
            waitpid(pid, nil, 0)
            throw Failure(cause: .system, code: code)
        }
        self.process = process
    }

    /// How it ended, if it has; what is left of its process group ends as well.
    package func end() -> WorkerEnd.Status? {
        var code: Int32 = 0
        return WorkerEnd.Status(weft_reap(process.pid, &code), code)
    }
}

extension WorkerEnd.Status {
    init?(_ state: weft_process_state, _ code: Int32) {
        switch state {
        case WEFT_EXITED: self = .exited(Int(code))
        case WEFT_SIGNALLED: self = .killed(signal: Self.name(ofSignal: code))
        default: return nil
        }
    }

    /// - Parameter status: as `waitpid` gives it.
    init?(waitStatus status: Int32) {
        var code: Int32 = 0
        self.init(weft_end(status, &code), code)
    }

    private static func name(ofSignal number: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { buffer in
            guard let start = buffer.baseAddress else { return "signal \(number)" }
            weft_signal_name(number, start, buffer.count)
            return String(cString: start)
        }
    }
}

/// Calls `body` with the strings as C wants them: an array that a null pointer ends.
private func withCStrings<T>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> T) -> T {
    let pointers = strings.map { strdup($0) }
    defer { pointers.forEach { free($0) } }
    return body(pointers + [nil])
}
