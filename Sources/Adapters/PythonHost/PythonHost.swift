// SPDX-License-Identifier: Apache-2.0

import CPosix
import DequeModule
import Glibc
package import StreamEngine

/// Runs Python workers as children of the rank and speaks `docs/worker-protocol.md` with them. None of its calls waits, but
/// ``wait(nanoseconds:or:)``. Only the main thread uses it: workers are killed when the thread that started them ends.
package final class PythonHost: ElementHost {
    package typealias Event = (worker: Int, event: HostEvent<WorkerNote>)

    private var processes: [WorkerProcess] = []
    private var events: Deque<Event> = []
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    private var nextAttention = ContinuousClock.now
    private let attentionInterval = Duration.milliseconds(20)
    private let patience: Duration

    /// - Parameter patience: how long a worker may stay after its stream has ended.
    package init(patience: Duration = .seconds(5)) { self.patience = patience }

    deinit { buffer.deallocate() }

    /// Starts `interpreter -u -m weft.worker folder worker`.
    /// - Parameters:
    ///   - environment: variables as `NAME=value`.
    ///   - directory: where the worker runs.
    package func start(
        worker: Int, interpreter: String, folder: String, environment: [String], directory: String
    ) throws(SpawnFailure) {
        let process = try WorkerProcess(
            worker: worker, interpreter: interpreter, arguments: ["-u", "-m", "weft.worker", folder, "\(worker)"],
            environment: environment, directory: directory, patience: patience)
        processes.append(process)
        events.append((worker, .note(.started(pid: process.pid))))
    }

    /// Every process has ended, and its end has been told.
    package var areGone: Bool { events.isEmpty && processes.allSatisfy(\.isGone) }

    /// Kills every worker.
    package func kill() {
        for process in processes { process.kill() }
    }

    /// Waits until a worker or the descriptor has something to say, and at most so long.
    package func wait(nanoseconds: Int64, or descriptor: Int32) {
        guard events.isEmpty, nanoseconds > 0 else { return }
        var interest = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        for process in processes { interest += process.interest }
        weft_poll(&interest, interest.count, nanoseconds)
    }

    // MARK: ElementHost

    package func feed(_ batch: consuming Batch, number: UInt32, to worker: Int) {
        var header = Frame.header(.input, length: 8 + batch.size)
        header.appendLittleEndian(number)
        header.appendLittleEndian(UInt32(batch.count))
        let (bytes, offset) = batch.prefixed(by: header)
        update(worker) { $0.write(bytes, from: offset) }
    }

    package func go(_ worker: Int) { update(worker) { $0.write(Frame.header(.go, length: 0)) } }

    package func finish(_ worker: Int) { update(worker) { $0.write(Frame.header(.finish, length: 0)) } }

    package func setReading(_ reading: Bool, from worker: Int) { update(worker) { $0.isRead = reading } }

    package func nextEvent() throws -> Event? {
        if events.isEmpty { try gather() }
        return events.popFirst()
    }

    private func update(_ worker: Int, _ change: (inout WorkerProcess) -> Void) {
        for index in processes.indices where processes[index].worker == worker { change(&processes[index]) }
    }

    private func gather() throws {
        var interest: [pollfd] = []
        for process in processes { interest += process.interest }
        weft_poll(&interest, interest.count, 0)
        var hasHungUp = false
        for ready in interest where ready.revents != 0 {
            for index in processes.indices {
                if processes[index].socket == ready.fd {
                    if ready.revents & Int16(POLLOUT) != 0 { processes[index].flush() }
                    if ready.revents & ~Int16(POLLOUT) != 0 { try processes[index].readSocket(buffer, into: &events) }
                } else if processes[index].printed == ready.fd {
                    processes[index].readPrinted(buffer, into: &events)
                } else {
                    continue
                }
                hasHungUp = hasHungUp || ready.revents & Int16(POLLHUP | POLLERR) != 0
            }
        }
        if hasHungUp || nextAttention < .now {
            nextAttention = .now + attentionInterval
            for index in processes.indices { try processes[index].attend(buffer, into: &events) }
        }
    }
}
