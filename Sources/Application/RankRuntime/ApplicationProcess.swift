// SPDX-License-Identifier: Apache-2.0

import CPosix
import DequeModule
import Glibc
import PythonHost
import WorkflowModel

/// A rank of an application: its process, and what it prints. Launched by `mpirun` through this program, it finds all that MPI
/// wants to know in its environment, as behind any wrapper script.
struct ApplicationProcess {
    private static let wordsKept = 128
    private static let streams: [LogLine.Stream] = [.stdout, .stderr]

    /// One of the two streams that it prints to.
    private struct Output {
        let stream: LogLine.Stream
        let descriptor: Int32
        var lines = LineReader()
        var isOpen = true
    }

    private let child: ChildProcess
    private var outputs: [Output] = []
    private(set) var status: WorkerEnd.Status?
    /// The last lines that it printed.
    private(set) var lastWords: Deque<String> = []

    var pid: Int32 { child.process.pid }

    init(path: String, arguments: [String], environment: [String: String], directory: String) throws(ChildProcess.Failure) {
        var pipes: [[Int32]] = []
        defer { for pipe in pipes { close(pipe[1]) } }
        for stream in Self.streams {
            var ends: [Int32] = [-1, -1]
            // To a pipe programs write whole blocks, and so nothing for long, and what is left when they crash never.
            let isMade = stream == .stdout && weft_terminal(&ends) == 0
            let code = isMade ? 0 : weft_pipe(&ends)
            guard code == 0 else { throw ChildProcess.Failure(cause: .system, code: code) }
            pipes.append(ends)
        }
        child = try ChildProcess(
            path: path, arguments: arguments, environment: environment.map { "\($0.key)=\($0.value)" }, directory: directory,
            descriptors: pipes.map { $0[1] })
        outputs = zip(Self.streams, pipes).map { Output(stream: $0, descriptor: $1[0]) }
    }

    /// Waits for what it prints, or for its end, and gives the lines.
    /// - Parameter termination: ends the wait when it is readable.
    mutating func attend(
        nanoseconds: Int64, or termination: Int32? = nil, _ take: (LogLine.Stream, String) throws -> Void
    ) throws {
        guard status == nil else { return }
        let watched = outputs.filter(\.isOpen).map(\.descriptor) + [child.process.descriptor] + (termination.map { [$0] } ?? [])
        var interest = watched.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        weft_poll(&interest, interest.count, nanoseconds)
        let ready = Set(interest.filter { $0.revents != 0 }.map(\.fd))
        for index in outputs.indices where ready.contains(outputs[index].descriptor) { _ = try read(index, take) }
        guard ready.contains(child.process.descriptor), let end = child.end() else { return }
        status = end
        child.process.forget()
        // What is in the pipes by now; a process that it has left behind may hold them open.
        for index in outputs.indices {
            while outputs[index].isOpen, try read(index, take) {}
            if outputs[index].isOpen { try finish(index, take) }
        }
    }

    /// Asks it, and what it has started in its process group, to end.
    func interrupt() { if status == nil { Glibc.kill(-pid, SIGTERM) } }

    func kill() { if status == nil { child.process.kill() } }

    /// - Returns: whether there may be more.
    private mutating func read(_ index: Int, _ take: (LogLine.Stream, String) throws -> Void) throws -> Bool {
        var lines: [String] = []
        var count = 0
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
            count = Glibc.read(outputs[index].descriptor, buffer.baseAddress, buffer.count)
            if count > 0 { lines = outputs[index].lines.read(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
        }
        let code = errno
        for line in lines { try tell(line, outputs[index].stream, take) }
        if count == 0 || count < 0 && code != EAGAIN && code != EINTR { try finish(index, take) }
        return count > 0
    }

    private mutating func finish(_ index: Int, _ take: (LogLine.Stream, String) throws -> Void) throws {
        close(outputs[index].descriptor)
        outputs[index].isOpen = false
        if let line = outputs[index].lines.end() { try tell(line, outputs[index].stream, take) }
    }

    private mutating func tell(_ line: String, _ stream: LogLine.Stream, _ take: (LogLine.Stream, String) throws -> Void) throws {
        if lastWords.count == Self.wordsKept { lastWords.removeFirst() }
        lastWords.append(line)
        try take(stream, line)
    }
}
