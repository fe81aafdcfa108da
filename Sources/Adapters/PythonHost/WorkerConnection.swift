// SPDX-License-Identifier: Apache-2.0

import CPosix
import DequeModule
import Glibc
import StreamEngine
import WorkflowModel

/// The rank's ends of the socket to a worker and of the pipe of what it prints. No call waits.
struct WorkerConnection {
    /// As many as faulthandler may print of one thread, and some more.
    static let wordsKept = 128

    let worker: Int
    /// The worker's ends, until it has them.
    let handedOver: (channel: Int32, output: Int32)
    private let socket: Int32
    private let printed: Int32

    /// The rank takes what the worker writes.
    var isRead = true
    private(set) var isOpen = true
    private(set) var wasReady = false
    private(set) var wasDone = false
    private(set) var hasFailed = false
    private(set) var lastWords: Deque<String> = []

    private var pipeIsOpen = true
    private var frames = FrameReader()
    private var lines = LineReader()
    private var outgoing: Deque<(bytes: FixedBytes, sent: Int)> = []

    init(worker: Int) throws(ChildProcess.Failure) {
        var channel: [Int32] = [-1, -1]
        var output: [Int32] = [-1, -1]
        let made = weft_socket_pair(&channel)
        guard made == 0 else { throw ChildProcess.Failure(cause: .system, code: made) }
        let piped = weft_pipe(&output)
        guard piped == 0 else {
            channel.forEach { Glibc.close($0) }
            throw ChildProcess.Failure(cause: .system, code: piped)
        }
        self.worker = worker
        (socket, printed) = (channel[0], output[0])
        handedOver = (channel[1], output[1])
    }

    /// The worker has its ends, or never will.
    func handOver() {
        Glibc.close(handedOver.channel)
        Glibc.close(handedOver.output)
    }

    // MARK: Waiting

    /// What to poll for; a hang-up is told in any case.
    var interest: [pollfd] {
        var wanted: [pollfd] = []
        if isOpen {
            let events = (isRead ? POLLIN : 0) | (outgoing.isEmpty ? 0 : POLLOUT)
            wanted.append(pollfd(fd: socket, events: Int16(events), revents: 0))
        }
        if pipeIsOpen { wanted.append(pollfd(fd: printed, events: Int16(POLLIN), revents: 0)) }
        return wanted
    }

    /// - Returns: whether the descriptor is this connection's.
    mutating func handle(
        _ ready: pollfd, _ buffer: UnsafeMutableRawBufferPointer, pid: Int32, into events: inout Deque<PythonHost.Event>
    ) throws(StreamViolation) -> Bool {
        if isOpen, ready.fd == socket {
            if ready.revents & Int16(POLLOUT) != 0 { flush() }
            if ready.revents & ~Int16(POLLOUT) != 0 { try read(buffer, pid: pid, into: &events) }
        } else if pipeIsOpen, ready.fd == printed {
            readPrinted(buffer, into: &events)
        } else {
            return false
        }
        return true
    }

    // MARK: To the worker

    mutating func write(_ bytes: FixedBytes, from offset: Int = 0) {
        guard isOpen else { return }
        outgoing.append((bytes, offset))
        flush()
    }

    /// Sends what fits. A worker that is gone is noticed where it is read.
    private mutating func flush() {
        while let (bytes, sent) = outgoing.first {
            let rest = bytes.buffer[sent...]
            let count = weft_send(socket, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0 {
                if errno != EAGAIN { outgoing.removeAll() }
                return
            }
            if count == rest.count { outgoing.removeFirst() } else { outgoing[0].sent = sent + count }
        }
    }

    // MARK: From the worker

    /// Takes at most the frame that has begun and one buffer of what the worker wrote. After a hang-up everything is taken: it
    /// cannot be more than a socket's buffer holds.
    private mutating func read(
        _ buffer: UnsafeMutableRawBufferPointer, pid: Int32, into events: inout Deque<PythonHost.Event>
    ) throws(StreamViolation) {
        var surplus = 0
        var end = false
        _ = frames.withRest { [socket] rest in
            var places = [
                iovec(iov_base: rest.baseAddress, iov_len: rest.count), iovec(iov_base: buffer.baseAddress, iov_len: buffer.count),
            ]
            let count = readv(socket, &places, 2)
            end = count == 0 || count < 0 && errno != EAGAIN && errno != EINTR
            surplus = max(0, count - rest.count)
            return max(0, min(count, rest.count))
        }
        var bytes = UnsafeRawBufferPointer(buffer)[..<surplus]
        do {
            while let (kind, body) = try frames.next(&bytes) { try take(kind, body, pid: pid, into: &events) }
        } catch {
            closeSocket()
            throw StreamViolation("worker \(worker) (process \(pid)) sent \(error)")
        }
        if end { closeSocket() }
    }

    private mutating func readPrinted(_ buffer: UnsafeMutableRawBufferPointer, into events: inout Deque<PythonHost.Event>) {
        let count = Glibc.read(printed, buffer.baseAddress, buffer.count)
        if count > 0 {
            for line in lines.read(UnsafeRawBufferPointer(rebasing: buffer[..<count])) {
                print(line, instance: nil, stream: .stderr, into: &events)
            }
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
            closePipe()
        }
    }

    private mutating func take(
        _ kind: Frame.FromWorker, _ body: PaddedBytes, pid: Int32, into events: inout Deque<PythonHost.Event>
    ) throws(StreamViolation) {
        guard !wasDone, !hasFailed else { throw StreamViolation("a frame after its last") }
        let bytes = UnsafeRawBufferPointer(body.buffer)
        switch kind {
        case .ready:
            try expect(bytes.isEmpty, "READY")
            wasReady = true
            events.append((worker, .note(.ready(pid: pid))))
            events.append((worker, .ready))
        case .output:
            events.append((worker, .output(body)))
        case .records:
            try expect(Self.holdsWholeRecords(bytes), "RECORDS")
            events.append((worker, .note(.records(Array(bytes)))))
        case .consumed:
            try expect(bytes.count == 4, "CONSUMED")
            events.append((worker, .consumed(bytes.loadLittleEndian(UInt32.self, at: 0))))
        case .checkpointed:
            try expect(bytes.count == 12, "CHECKPOINTED")
            let checkpoint = bytes.loadLittleEndian(UInt32.self, at: 0)
            let items = bytes.loadLittleEndian(UInt64.self, at: 4)
            events.append((worker, .note(.checkpointed(checkpoint, items: Int(exactly: items)))))
            events.append((worker, .checkpointed(checkpoint)))
        case .paused:
            try expect(bytes.isEmpty, "PAUSED")
            events.append((worker, .paused))
        case .last:
            try expect(bytes.isEmpty, "LAST")
            events.append((worker, .last))
        case .log:
            try expect(bytes.count >= 3 && (bytes[2] == 1 || bytes[2] == 2), "LOG")
            let instance = bytes.loadLittleEndian(UInt16.self, at: 0)
            print(
                String(decoding: bytes[3...], as: UTF8.self), instance: instance == .max ? nil : Int(instance),
                stream: bytes[2] == 1 ? .stdout : .stderr, into: &events)
        case .done:
            try expect(bytes.isEmpty, "DONE")
            wasDone = true
            events.append((worker, .done))
        case .failed:
            hasFailed = true
            events.append((worker, .note(.failed(Array(bytes)))))
        }
    }

    private func expect(_ isWellFormed: Bool, _ frame: String) throws(StreamViolation) {
        if !isWellFormed { throw StreamViolation("a malformed \(frame) frame") }
    }

    /// `u8 type | u8 flag | u16 subject | u32 length | body`, one after the other.
    private static func holdsWholeRecords(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while bytes.count - offset >= 8 { offset += 8 + Int(bytes.loadLittleEndian(UInt32.self, at: offset + 4)) }
        return offset == bytes.count
    }

    private mutating func print(_ text: String, instance: Int?, stream: LogLine.Stream, into events: inout Deque<PythonHost.Event>) {
        if lastWords.count == Self.wordsKept { lastWords.removeFirst() }
        lastWords.append(text)
        events.append((worker, .note(.line(instance: instance, stream: stream, text: text))))
    }

    // MARK: The end

    /// A child that the worker has forked may hold socket and pipe open for long; what lies in them now is all that counts.
    mutating func takeWhatIsLeft(
        _ buffer: UnsafeMutableRawBufferPointer, pid: Int32, into events: inout Deque<PythonHost.Event>
    ) throws(StreamViolation) {
        while isOpen, Self.hasInput(socket) { try read(buffer, pid: pid, into: &events) }
        while pipeIsOpen, Self.hasInput(printed) { readPrinted(buffer, into: &events) }
        if let line = lines.end() { print(line, instance: nil, stream: .stderr, into: &events) }
        close()
    }

    private static func hasInput(_ descriptor: Int32) -> Bool {
        var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        weft_poll(&query, 1, 0)
        return query.revents != 0
    }

    mutating func close() {
        closeSocket()
        closePipe()
    }

    private mutating func closeSocket() {
        guard isOpen else { return }
        isOpen = false
        outgoing.removeAll()
        Glibc.close(socket)
    }

    private mutating func closePipe() {
        guard pipeIsOpen else { return }
        pipeIsOpen = false
        Glibc.close(printed)
    }
}
