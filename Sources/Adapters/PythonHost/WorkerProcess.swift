// SPDX-License-Identifier: Apache-2.0

import DequeModule
import Glibc
import StreamEngine

/// One Python worker: its connection, and its process from the start to the end. No call waits.
struct WorkerProcess {
    /// Who started it, and so knows how it ended.
    private enum Parent {
        case rank(ChildProcess)
        case nursery
    }

    private enum Life {
        /// The nursery has been asked for it; killed, if it is not wanted any more.
        case asked(isWanted: Bool)
        case running(WatchedProcess, Parent)
        /// It has ended, and the nursery must tell how by then.
        case ended(WatchedProcess, until: ContinuousClock.Instant)
        case reported
    }

    let worker: Int
    private(set) var connection: WorkerConnection
    private let patience: Duration
    private var life: Life
    private var pid: Int32 = 0
    /// The stream has ended, or DONE has come: the process must be gone by then, or is killed.
    private var deadline: ContinuousClock.Instant?
    private var wasEvicted = false
    private var hasEnded = false

    /// Starts the worker.
    init(worker: Int, launch: WorkerLaunch, own: [String: String], arena: Int32, patience: Duration) throws(ChildProcess.Failure) {
        var connection = try WorkerConnection(worker: worker)
        let (channel, output) = connection.handedOver
        defer { connection.handOver() }
        let child: ChildProcess
        do {
            child = try launch.start("weft.worker", ["\(worker)"], own: own, descriptors: [output, output, channel, arena])
        } catch {
            connection.close()
            throw error
        }
        self.worker = worker
        self.connection = connection
        self.patience = patience
        pid = child.process.pid
        life = .running(child.process, .rank(child))
    }

    /// A worker that the nursery is asked for.
    init(askedFor worker: Int, patience: Duration) throws(ChildProcess.Failure) {
        connection = try WorkerConnection(worker: worker)
        self.worker = worker
        self.patience = patience
        life = .asked(isWanted: true)
    }

    var isGone: Bool { if case .reported = life { true } else { false } }
    var isAsked: Bool { if case .asked = life { true } else { false } }
    var isWanted: Bool { if case .asked(false) = life { false } else { true } }

    var startNote: PythonHost.Event { (worker, .note(.started(pid: pid))) }

    // MARK: The stream

    mutating func write(_ bytes: FixedBytes, from offset: Int = 0) { connection.write(bytes, from: offset) }

    mutating func setReading(_ reading: Bool) { connection.isRead = reading }

    // MARK: Waiting

    var interest: [pollfd] {
        switch life {
        // What a worker says before it is known who it is can wait.
        case .asked, .reported: []
        case .running(let process, _):
            connection.interest + (hasEnded ? [] : [pollfd(fd: process.descriptor, events: Int16(POLLIN), revents: 0)])
        case .ended: connection.interest
        }
    }

    /// - Returns: whether the descriptor is this worker's.
    mutating func handle(
        _ ready: pollfd, _ buffer: UnsafeMutableRawBufferPointer, into events: inout Deque<PythonHost.Event>
    ) throws(StreamViolation) -> Bool {
        if case .running(let process, _) = life, process.descriptor == ready.fd {
            hasEnded = true
            return true
        }
        return try connection.handle(ready, buffer, pid: pid, into: &events)
    }

    // MARK: What the nursery tells

    /// - Returns: `false` for an answer that nobody waits for.
    mutating func started(pid: Int32) -> Bool {
        guard case .asked(let isWanted) = life else { return false }
        self.pid = pid
        // A process that is gone already is told next.
        guard let process = WatchedProcess(pid: pid) else { return true }
        life = .running(process, .nursery)
        if !isWanted { kill() }
        return true
    }

    mutating func ended(
        _ status: WorkerEnd.Status, _ buffer: UnsafeMutableRawBufferPointer, into events: inout Deque<PythonHost.Event>
    ) throws(StreamViolation) {
        if !isGone { try conclude(status, buffer, into: &events) }
    }

    /// It was never started, and will not be.
    mutating func failed(_ json: [UInt8]?, into events: inout Deque<PythonHost.Event>) {
        connection.close()
        life = .reported
        if let json { events.append((worker, .note(.failed(json)))) }
    }

    // MARK: The end

    /// Sees to its end. When the process has ended, everything that it left behind is taken before its end is told.
    /// - Parameter hasNursery: the nursery may still tell how it ended.
    mutating func attend(
        hasNursery: Bool, _ buffer: UnsafeMutableRawBufferPointer, into events: inout Deque<PythonHost.Event>
    ) throws(StreamViolation) {
        switch life {
        case .asked, .reported: break
        case .running(let process, .nursery) where hasEnded: life = .ended(process, until: .now + patience)
        case .running(_, .rank(let child)) where hasEnded:
            if let status = child.end() { try conclude(status, buffer, into: &events) }
        case .running: evictInTime()
        case .ended(_, let until):
            // Without a nursery whoever ended that is about to end this rank as well, and its reason is the better one.
            if until < .now || !hasNursery && connection.wasDone { try conclude(.orphaned, buffer, into: &events) }
        }
    }

    private mutating func evictInTime() {
        if let deadline {
            guard deadline < .now, !wasEvicted else { return }
            wasEvicted = true
            kill()
        } else if connection.wasDone || !connection.isOpen {
            deadline = .now + patience
        }
    }

    private mutating func conclude(
        _ status: WorkerEnd.Status, _ buffer: UnsafeMutableRawBufferPointer, into events: inout Deque<PythonHost.Event>
    ) throws(StreamViolation) {
        switch life {
        case .running(let process, _), .ended(let process, _): process.forget()
        case .asked, .reported: break
        }
        life = .reported
        try connection.takeWhatIsLeft(buffer, pid: pid, into: &events)
        guard !connection.hasFailed else { return }
        let wasKilled = if case .exited = status { false } else { true }
        let end = WorkerEnd(
            pid: pid, status: wasEvicted && wasKilled ? .silent : status, wasReady: connection.wasReady, wasDone: connection.wasDone,
            lastWords: Array(connection.lastWords))
        events.append((worker, .note(.ended(end))))
    }

    /// Kills the worker and what it has started in its process group.
    mutating func kill() {
        switch life {
        case .asked: life = .asked(isWanted: false)
        case .running(let process, _): process.kill()
        // Its number may be another's by now.
        case .ended, .reported: break
        }
    }
}
