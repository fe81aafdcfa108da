// SPDX-License-Identifier: Apache-2.0

import NativeHost
import PythonHost
import StreamEngine
import WorkflowModel

/// All workers of a rank: those that are Python processes, and those that the rank runs itself.
final class HostSet: ElementHost {
    enum Note {
        case python(WorkerNote)
        case native(NativeNote)
    }

    private let python: PythonHost
    private let native: NativeHost
    private let pythonWorkers: [Int]
    private let nativeWorkers: Set<Int>
    /// Whose turn it is, so that neither waits for the other to fall silent.
    private var isNativesTurn = false

    /// - Parameter workers: those of this rank.
    init(document: RunDocument, folder: RunFolder, workers: [Int], python: PythonHost) throws(StreamViolation) {
        self.python = python
        let natives = workers.filter { document.isNative(worker: $0) }
        pythonWorkers = workers.filter { !document.isNative(worker: $0) }
        nativeWorkers = Set(natives)
        native = try NativeHost(document: document, folder: folder, workers: natives)
    }

    func start() throws {
        for worker in pythonWorkers { try python.start(worker: worker) }
    }

    /// Every worker has ended, and its end has been told.
    var areGone: Bool { python.areGone && native.areGone }

    func kill() {
        python.kill()
        native.kill()
    }

    /// Leaves what the node's ranks share, once every worker of the job has ended.
    func close() { python.close() }

    /// Waits until a worker or the descriptor has something to say, and at most so long.
    func wait(nanoseconds: Int64, or descriptor: Int32) {
        if !native.hasWork { python.wait(nanoseconds: nanoseconds, or: descriptor) }
    }

    // MARK: ElementHost

    func feed(_ batch: consuming Batch, number: UInt32, to worker: Int) {
        if nativeWorkers.contains(worker) {
            native.feed(batch, number: number, to: worker)
        } else {
            python.feed(batch, number: number, to: worker)
        }
    }

    func go(_ worker: Int) { nativeWorkers.contains(worker) ? native.go(worker) : python.go(worker) }

    func checkpoint(_ checkpoint: UInt32, of worker: Int, items: Int) {
        if nativeWorkers.contains(worker) {
            native.checkpoint(checkpoint, of: worker, items: items)
        } else {
            python.checkpoint(checkpoint, of: worker, items: items)
        }
    }

    func finish(_ worker: Int) { nativeWorkers.contains(worker) ? native.finish(worker) : python.finish(worker) }

    func setReading(_ reading: Bool, from worker: Int) {
        nativeWorkers.contains(worker) ? native.setReading(reading, from: worker) : python.setReading(reading, from: worker)
    }

    func nextEvent() throws -> (worker: Int, event: HostEvent<Note>)? {
        isNativesTurn.toggle()
        let first = isNativesTurn ? try nativeEvent() : try pythonEvent()
        if let first { return first }
        return isNativesTurn ? try pythonEvent() : try nativeEvent()
    }

    private func nativeEvent() throws -> (worker: Int, event: HostEvent<Note>)? {
        guard !nativeWorkers.isEmpty, let (worker, event) = try native.nextEvent() else { return nil }
        return (worker, event.map(Note.native))
    }

    private func pythonEvent() throws -> (worker: Int, event: HostEvent<Note>)? {
        guard let (worker, event) = try python.nextEvent() else { return nil }
        return (worker, event.map(Note.python))
    }
}

extension HostEvent {
    fileprivate func map<Other>(_ note: (Note) -> Other) -> HostEvent<Other> {
        switch self {
        case .ready: .ready
        case .output(let chunks): .output(chunks)
        case .consumed(let number): .consumed(number)
        case .checkpointed(let checkpoint): .checkpointed(checkpoint)
        case .paused: .paused
        case .last: .last
        case .done: .done
        case .note(let content): .note(note(content))
        }
    }
}
