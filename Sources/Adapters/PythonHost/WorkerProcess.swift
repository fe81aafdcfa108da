// SPDX-License-Identifier: Apache-2.0

import CPosix
import DequeModule
import Glibc
import StreamEngine
import WorkflowModel

/// One Python worker: its process, its socket and the pipe of what it prints. No call waits.
struct WorkerProcess {
    private enum Life {
        case running
        /// The stream has ended, or DONE has come: the process must be gone by then, or is killed.
        case leaving(until: ContinuousClock.Instant)
        case reaped(WorkerEnd.Status)
        case reported
    }

    static let wordsKept = 20

    let worker: Int
    let pid: Int32
    let socket: Int32
    let printed: Int32
    /// The rank takes what it writes.
    var isRead = true

    private let patience: Duration
    private var frames = FrameReader()
    private var lines = LineReader()
    private var outgoing: Deque<(bytes: [UInt8], sent: Int)> = []
    private var lastWords: Deque<String> = []
    private var wasReady = false
    private var wasDone = false
    private var hasFailed = false
    /// The rank has killed it, for staying after its stream had ended.
    private var wasEvicted = false
    private var socketIsOpen = true
    private var pipeIsOpen = true
    private var life = Life.running

    init(
        worker: Int, interpreter: String, arguments: [String], environment: [String], directory: String, patience: Duration
    ) throws(SpawnFailure) {
        func refuse(_ error: Int32, _ cause: SpawnFailure.Cause = .system) -> SpawnFailure {
            SpawnFailure(
                worker: worker, cause: cause, path: cause == .directory ? directory : interpreter, reason: String(cString: strerror(error)))
        }
        var channel: [Int32] = [-1, -1]
        var output: [Int32] = [-1, -1]
        let made = weft_socket_pair(&channel)
        guard made == 0 else { throw refuse(made) }
        let piped = weft_pipe(&output)
        guard piped == 0 else {
            channel.forEach { close($0) }
            throw refuse(piped)
        }
        var pid: pid_t = 0
        var stage = WEFT_SPAWN_FORK
        let error = withCStrings([interpreter] + arguments) { arguments in
            withCStrings(environment) { environment in
                weft_spawn(interpreter, arguments, environment, directory, output[1], channel[1], &pid, &stage)
            }
        }
        close(channel[1])
        close(output[1])
        guard error == 0 else {
            close(channel[0])
            close(output[0])
            throw refuse(error, stage == WEFT_SPAWN_EXEC ? .interpreter : stage == WEFT_SPAWN_DIRECTORY ? .directory : .system)
        }
        self.worker = worker
        self.pid = pid
        self.patience = patience
        socket = channel[0]
        printed = output[0]
    }

    var isGone: Bool { if case .reported = life { true } else { false } }

    // MARK: Waiting

    /// What to poll for; a hang-up is told in any case.
    var interest: [pollfd] {
        var wanted: [pollfd] = []
        if socketIsOpen {
            let events = (isRead ? POLLIN : 0) | (outgoing.isEmpty ? 0 : POLLOUT)
            wanted.append(pollfd(fd: socket, events: Int16(events), revents: 0))
        }
        if pipeIsOpen { wanted.append(pollfd(fd: printed, events: Int16(POLLIN), revents: 0)) }
        return wanted
    }

    // MARK: To the worker

    mutating func write(_ bytes: [UInt8], from offset: Int = 0) {
        guard socketIsOpen else { return }
        outgoing.append((bytes, offset))
        flush()
    }

    /// Sends what fits. A worker that is gone is noticed where it is read.
    mutating func flush() {
        while let (bytes, sent) = outgoing.first {
            let count = bytes.withUnsafeBytes { weft_send(socket, $0.baseAddress.map { $0 + sent }, $0.count - sent) }
            if count < 0 {
                if errno != EAGAIN { outgoing.removeAll() }
                return
            }
            if sent + count == bytes.count { outgoing.removeFirst() } else { outgoing[0].sent = sent + count }
        }
    }

    // MARK: From the worker

    /// Takes at most one buffer of what the worker wrote. After a hang-up everything is taken: it cannot be more than a
    /// socket's buffer holds.
    mutating func readSocket(_ buffer: UnsafeMutableRawBufferPointer, into events: inout Deque<PythonHost.Event>) throws(StreamViolation) {
        guard socketIsOpen else { return }
        let count = recv(socket, buffer.baseAddress, buffer.count, 0)
        if count > 0 {
            var bytes = UnsafeRawBufferPointer(buffer)[..<count]
            do {
                while let (kind, body) = try frames.next(&bytes) { try take(kind, body, into: &events) }
            } catch {
                throw StreamViolation("worker \(worker) (process \(pid)) sent \(error)")
            }
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
            closeSocket()
        }
    }

    mutating func readPrinted(_ buffer: UnsafeMutableRawBufferPointer, into events: inout Deque<PythonHost.Event>) {
        guard pipeIsOpen else { return }
        let count = read(printed, buffer.baseAddress, buffer.count)
        if count > 0 {
            for line in lines.read(UnsafeRawBufferPointer(rebasing: buffer[..<count])) {
                print(line, instance: nil, stream: .stderr, into: &events)
            }
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
            closePipe()
        }
    }

    private mutating func take(
        _ kind: Frame.FromWorker, _ body: [UInt8], into events: inout Deque<PythonHost.Event>
    ) throws(StreamViolation) {
        guard !wasDone, !hasFailed else { throw StreamViolation("a frame after its last") }
        switch kind {
        case .ready:
            try expect(body.isEmpty, "READY")
            wasReady = true
            events.append((worker, .note(.ready(pid: pid))))
            events.append((worker, .ready))
        case .output:
            events.append((worker, .output(body)))
        case .records:
            try expect(Self.holdsWholeRecords(body), "RECORDS")
            events.append((worker, .note(.records(body))))
        case .consumed:
            try expect(body.count == 4, "CONSUMED")
            events.append((worker, .consumed(body.withUnsafeBytes { $0.loadLittleEndian(UInt32.self, at: 0) })))
        case .log:
            try expect(body.count >= 3 && (body[2] == 1 || body[2] == 2), "LOG")
            let instance = body.withUnsafeBytes { $0.loadLittleEndian(UInt16.self, at: 0) }
            print(
                String(decoding: body[3...], as: UTF8.self), instance: instance == .max ? nil : Int(instance),
                stream: body[2] == 1 ? .stdout : .stderr, into: &events)
        case .done:
            try expect(body.isEmpty, "DONE")
            wasDone = true
            life = .leaving(until: .now + patience)
            events.append((worker, .done))
        case .failed:
            hasFailed = true
            events.append((worker, .note(.failed(body))))
        }
    }

    private func expect(_ isWellFormed: Bool, _ frame: String) throws(StreamViolation) {
        if !isWellFormed { throw StreamViolation("a malformed \(frame) frame") }
    }

    /// `u8 type | u8 flag | u16 subject | u32 length | body`, one after the other.
    private static func holdsWholeRecords(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while bytes.count - offset >= 8 { offset += 8 + Int(bytes.loadLittleEndian(UInt32.self, at: offset + 4)) }
            return offset == bytes.count
        }
    }

    private mutating func print(_ text: String, instance: Int?, stream: LogLine.Stream, into events: inout Deque<PythonHost.Event>) {
        if lastWords.count == Self.wordsKept { lastWords.removeFirst() }
        lastWords.append(text)
        events.append((worker, .note(.line(instance: instance, stream: stream, text: text))))
    }

    // MARK: The end

    /// Asks whether the process has ended. When it has, everything that it left behind is taken before its end is told.
    mutating func attend(_ buffer: UnsafeMutableRawBufferPointer, into events: inout Deque<PythonHost.Event>) throws(StreamViolation) {
        switch life {
        case .running, .leaving:
            var code: Int32 = 0
            switch weft_reap(pid, &code) {
            case WEFT_EXITED: life = .reaped(.exited(Int(code)))
            case WEFT_SIGNALLED: life = .reaped(wasEvicted ? .silent : .killed(signal: Self.name(ofSignal: code)))
            default:
                if case .leaving(let until) = life {
                    if until < .now {
                        wasEvicted = true
                        kill()
                    }
                } else if !socketIsOpen {
                    life = .leaving(until: .now + patience)
                }
                return
            }
            try takeWhatIsLeft(buffer, into: &events)
        case .reaped, .reported: return
        }
        guard case .reaped(let status) = life else { return }
        life = .reported
        let end = WorkerEnd(pid: pid, status: status, wasReady: wasReady, wasDone: wasDone, lastWords: Array(lastWords))
        if !hasFailed { events.append((worker, .note(.ended(end)))) }
    }

    /// A child that the worker has forked may hold socket and pipe open for long; what lies in them now is all that counts.
    private mutating func takeWhatIsLeft(
        _ buffer: UnsafeMutableRawBufferPointer, into events: inout Deque<PythonHost.Event>
    ) throws(StreamViolation) {
        while socketIsOpen, Self.hasInput(socket) { try readSocket(buffer, into: &events) }
        while pipeIsOpen, Self.hasInput(printed) { readPrinted(buffer, into: &events) }
        if let line = lines.end() { print(line, instance: nil, stream: .stderr, into: &events) }
        closeSocket()
        closePipe()
    }

    private static func hasInput(_ descriptor: Int32) -> Bool {
        var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        weft_poll(&query, 1, 0)
        return query.revents != 0
    }

    /// Kills the worker and what it has started in its process group.
    func kill() {
        switch life {
        case .running, .leaving: Glibc.kill(-pid, SIGKILL)
        // Its number may be another's by now.
        case .reaped, .reported: break
        }
    }

    private mutating func closeSocket() {
        guard socketIsOpen else { return }
        socketIsOpen = false
        outgoing.removeAll()
        close(socket)
    }

    private mutating func closePipe() {
        guard pipeIsOpen else { return }
        pipeIsOpen = false
        close(printed)
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
