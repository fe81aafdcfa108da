// SPDX-License-Identifier: Apache-2.0

import CPosix
import Glibc

/// The process of a node that loads the workflow's module once and forks itself for each worker
/// (`docs/worker-protocol.md`, The nursery). The first rank of the node has it.
package final class Nursery {
    private var child: ChildProcess?
    private let printed: Int32
    private var lines = LineReader()

    /// Begins to listen and to load. Start it early: what it loads takes its time, beside that of MPI.
    /// - Returns: nothing where it cannot be started. Then workers are started one by one, and tell why that cannot be either.
    package init?(_ launch: WorkerLaunch) {
        var listener: Int32 = -1
        guard weft_listen(launch.address, &listener) == 0 else { return nil }
        defer { close(listener) }
        var output: [Int32] = [-1, -1]
        guard weft_pipe(&output) == 0 else { return nil }
        defer { close(output[1]) }
        guard let child = try? launch.start("weft.nursery", descriptors: [output[1], output[1], listener]) else {
            close(output[0])
            return nil
        }
        self.child = child
        printed = output[0]
    }

    deinit {
        end()
        close(printed)
    }

    /// 0 once it has ended.
    var pid: Int32 { child?.process.pid ?? 0 }

    /// What to poll for.
    var interest: [pollfd] {
        guard let child else { return [] }
        return [printed, child.process.descriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    }

    /// - Returns: lines that it printed, and a last one where it has died.
    func handle(_ ready: pollfd, _ buffer: UnsafeMutableRawBufferPointer) -> [String] {
        guard let child, ready.fd == printed || ready.fd == child.process.descriptor else { return [] }
        var told = readPrinted(buffer)
        guard ready.fd == child.process.descriptor, let status = child.end() else { return told }
        child.process.forget()
        self.child = nil
        told += [lines.end()].compactMap(\.self)
        switch status {
        case .exited(0): break
        case .exited(let code): told.append("the nursery exited with status \(code)")
        case .killed(let signal): told.append("the nursery was killed by \(signal)")
        case .silent, .orphaned: break
        }
        return told
    }

    private func readPrinted(_ buffer: UnsafeMutableRawBufferPointer) -> [String] {
        let count = read(printed, buffer.baseAddress, buffer.count)
        return count > 0 ? lines.read(UnsafeRawBufferPointer(rebasing: buffer[..<count])) : []
    }

    /// Ends it, with all that it has forked.
    package func end() {
        guard let child else { return }
        child.process.kill()
        waitid(P_PID, id_t(child.process.pid), nil, WEXITED | WNOWAIT)
        _ = child.end()
        child.process.forget()
        self.child = nil
    }
}
