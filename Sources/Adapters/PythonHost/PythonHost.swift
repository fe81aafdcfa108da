// SPDX-License-Identifier: Apache-2.0

import CPosix
import DequeModule
import Glibc
package import StreamEngine
import WorkflowModel

/// Runs a rank's Python workers and speaks `docs/worker-protocol.md` with them. None of its calls waits, but
/// ``wait(nanoseconds:or:)``. Only the main thread uses it: workers are killed when the thread that started them ends.
package final class PythonHost: ElementHost {
    package typealias Event = (worker: Int, event: HostEvent<WorkerNote>)

    /// None of it takes memory before a worker writes there.
    private static let arenaSize: UInt64 = 1 << 40

    private let launch: WorkerLaunch
    private let rank: Int
    private let patience: Duration
    private var processes: [WorkerProcess] = []
    /// By worker; open to this process's end, since other processes reach an arena by way of this one.
    private var arenas: [Int: Int32] = [:]
    private var ownNursery: Nursery?
    private var nursery: NurseryConnection?
    private var refusals: Set<String> = []
    private var events: Deque<Event> = []
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)

    /// - Parameter patience: how long a worker may stay after its stream has ended.
    package init(launch: WorkerLaunch, rank: Int, patience: Duration = .seconds(5)) {
        self.launch = launch
        self.rank = rank
        self.patience = patience
    }

    deinit {
        nursery?.close()
        for arena in arenas.values { Glibc.close(arena) }
        buffer.deallocate()
    }

    /// Has the workers that are started from now on forked by the nursery of this node, where there is one.
    /// - Parameter own: the nursery, if this is the rank that has it.
    package func connect(own: Nursery?) {
        ownNursery = own
        nursery = NurseryConnection(address: launch.address)
    }

    package func start(worker: Int) throws {
        if arenas[worker] == nil {
            var arena: Int32 = -1
            let error = weft_arena_create(Self.arenaSize, &arena)
            guard error == 0 else { throw failure(.init(cause: .system, code: error), worker: worker) }
            arenas[worker] = arena
        }
        guard nursery != nil else { return try startPlainly(worker) }
        let process: WorkerProcess
        do {
            process = try WorkerProcess(askedFor: worker, patience: patience)
        } catch {
            throw failure(error, worker: worker)
        }
        processes.append(process)
        try nursery?.ask(for: worker, own: environment(worker), ends: process.connection, arena: arenas[worker] ?? -1)
        try tellNursery()
    }

    /// Every process has ended, and its end has been told.
    package var areGone: Bool { events.isEmpty && processes.allSatisfy(\.isGone) }

    /// Kills every worker.
    package func kill() {
        for index in processes.indices { processes[index].kill() }
    }

    /// Leaves the nursery, which ends what it still has for this rank; if it is this rank's own, the node needs it no more.
    package func close() {
        nursery?.close()
        nursery = nil
        for index in processes.indices where processes[index].isAsked { processes[index].failed(nil, into: &events) }
        ownNursery?.end()
    }

    /// Waits until a worker or the descriptor has something to say, and at most so long.
    package func wait(nanoseconds: Int64, or descriptor: Int32) {
        guard events.isEmpty, nanoseconds > 0 else { return }
        var interest = interest
        interest.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
        weft_poll(&interest, interest.count, nanoseconds)
    }

    // MARK: ElementHost

    package func feed(_ batch: consuming Batch, number: UInt32, to worker: Int) {
        var header = Frame.header(.input, length: 4 + batch.size)
        header.appendLittleEndian(number)
        let offset = batch.prefix(header)
        update(worker) { $0.write(batch.storage, from: offset) }
    }

    package func go(_ worker: Int) { update(worker) { $0.write(FixedBytes(Frame.header(.go, length: 0))) } }

    package func checkpoint(_ checkpoint: UInt32, of worker: Int, items: Int) {
        var frame = Frame.header(.checkpoint, length: 12)
        frame.appendLittleEndian(checkpoint)
        frame.appendLittleEndian(UInt64(items))
        update(worker) { $0.write(FixedBytes(frame)) }
    }

    package func finish(_ worker: Int) { update(worker) { $0.write(FixedBytes(Frame.header(.finish, length: 0))) } }

    package func setReading(_ reading: Bool, from worker: Int) { update(worker) { $0.setReading(reading) } }

    package func nextEvent() throws -> Event? {
        if events.isEmpty { try gather() }
        return events.popFirst()
    }

    private func update(_ worker: Int, _ change: (inout WorkerProcess) -> Void) {
        for index in processes.indices where processes[index].worker == worker { change(&processes[index]) }
    }

    private var interest: [pollfd] {
        processes.flatMap(\.interest) + [nursery?.interest].compactMap(\.self) + (ownNursery?.interest ?? [])
    }

    private func gather() throws {
        var interest = interest
        weft_poll(&interest, interest.count, 0)
        for ready in interest where ready.revents != 0 {
            if ready.fd == nursery?.socket {
                try hearNursery()
            } else if try !processes.indices.contains(where: { try processes[$0].handle(ready, buffer, into: &events) }) {
                events += ownNursery?.handle(ready, buffer).map { (-1, .note(.nursery($0))) } ?? []
            }
        }
        try tellNursery()
        for index in processes.indices { try processes[index].attend(hasNursery: nursery != nil, buffer, into: &events) }
    }

    // MARK: Starting

    /// What a worker has of its own.
    private func environment(_ worker: Int) -> [String: String] {
        ["WEFT_RANK": "\(rank)", "WEFT_ARENA": "\(getpid()):\(arenas[worker] ?? -1)"]
    }

    private func startPlainly(_ worker: Int) throws(SpawnFailure) {
        let process: WorkerProcess
        do {
            process = try WorkerProcess(
                worker: worker, launch: launch, own: environment(worker), arena: arenas[worker] ?? -1, patience: patience)
        } catch {
            throw failure(error, worker: worker)
        }
        processes.removeAll { $0.worker == worker }
        processes.append(process)
        events.append(process.startNote)
    }

    private func failure(_ failure: ChildProcess.Failure, worker: Int) -> SpawnFailure {
        SpawnFailure(
            worker: worker, cause: failure.cause, path: failure.cause == .directory ? launch.folder.work : launch.interpreter,
            reason: String(cString: strerror(failure.code)))
    }

    // MARK: The nursery

    private func tellNursery() throws {
        do throws(NurseryConnection.Lost) {
            try nursery?.flush()
        } catch {
            try loseNursery()
        }
    }

    private func hearNursery() throws {
        do {
            while let (worker, reply) = try nursery?.receive(buffer) { try take(reply, worker: worker) }
        } catch is NurseryConnection.Lost {
            try loseNursery()
        }
    }

    private func take(_ reply: NurseryReply, worker: Int) throws {
        guard let index = processes.firstIndex(where: { $0.worker == worker }) else {
            throw StreamViolation("the nursery sent a message about worker \(worker), who is not on this rank")
        }
        switch reply {
        case .started(let pid):
            guard processes[index].started(pid: pid) else { throw StreamViolation("the nursery started worker \(worker) twice") }
            events.append(processes[index].startNote)
        case .ended(let status): try processes[index].ended(status, buffer, into: &events)
        case .failed(let json): processes[index].failed(json, into: &events)
        case .refused(let reason):
            if refusals.insert(reason).inserted {
                events.append((worker, .note(.nursery("workers are started one by one, not forked: \(reason)"))))
            }
            try startInstead(index)
        }
    }

    /// Those that it has not answered are started plainly, so that what killed it shows in them.
    private func loseNursery() throws {
        nursery?.close()
        nursery = nil
        for worker in processes.filter(\.isAsked).map(\.worker) {
            if let index = processes.firstIndex(where: { $0.worker == worker }) { try startInstead(index) }
        }
    }

    private func startInstead(_ index: Int) throws(SpawnFailure) {
        let isWanted = processes[index].isWanted
        processes[index].failed(nil, into: &events)
        if isWanted { try startPlainly(processes[index].worker) }
    }
}
