// SPDX-License-Identifier: Apache-2.0

package import StreamEngine
package import WorkflowModel

/// Runs the native PEs of a rank in the rank's own process. Only the main thread uses it, and no call takes long: what there is
/// to compute is done in slices by ``nextEvent()``.
package final class NativeHost: ElementHost {
    package typealias Event = (worker: Int, event: HostEvent<NativeNote>)

    /// What ``nextEvent()`` computes before it lets the rank look after others, in nanoseconds.
    private static let burst: Int64 = 4_000_000

    private var stages: [NativeStage]
    private var events: [Event] = []
    private var next = 0
    private var spent: Int64 = 0
    /// Ended, or failed, and this has been told.
    private var gone: Set<Int> = []

    /// - Parameter workers: those of this rank whose PEs are native.
    package init(document: RunDocument, folder: RunFolder, workers: [Int]) throws(StreamViolation) {
        let routing = try Routing(graph: document.graph, plan: document.plan)
        let (files, pieces) = (NodeFiles(directory: folder.work), SharedPieces())
        stages = workers.map { NativeStage(document: document, worker: $0, routing: routing, files: files, pieces: pieces) }
    }

    /// There is an event, or something to compute.
    package var hasWork: Bool { next < events.count || stages.contains(where: \.hasWork) }

    /// Every worker has ended, and its end has been told.
    package var areGone: Bool { next == events.count && stages.allSatisfy { gone.contains($0.worker) } }

    /// Ends all workers; files that are not whole vanish.
    package func kill() {
        for stage in stages { stage.kill() }
    }

    // MARK: ElementHost

    package func feed(_ batch: consuming Batch, number: UInt32, to worker: Int) { stage(worker)?.feed(batch, number: number) }

    package func go(_ worker: Int) { stage(worker)?.go() }

    package func checkpoint(_ checkpoint: UInt32, of worker: Int, items: Int) { stage(worker)?.checkpoint(checkpoint, items: items) }

    package func finish(_ worker: Int) { stage(worker)?.finish() }

    package func setReading(_ reading: Bool, from worker: Int) { stage(worker)?.setReading(reading) }

    package func nextEvent() throws -> Event? {
        if let event = takeEvent() { return event }
        guard spent < Self.burst else {
            spent = 0
            return nil
        }
        let start = HostClock.monotonic
        // Each in turn, so that one does not starve the others.
        for index in stages.indices where stages[index].hasWork {
            let stage = stages[index]
            try stage.work()
            events += stage.takeEvents().map { (stage.worker, $0) }
        }
        spent += HostClock.monotonic - start
        guard let event = takeEvent() else {
            spent = 0
            return nil
        }
        return event
    }

    private func takeEvent() -> Event? {
        guard next < events.count else { return nil }
        let event = events[next]
        next += 1
        if next == events.count {
            events.removeAll(keepingCapacity: true)
            next = 0
        }
        switch event.event {
        case .note(.ended), .note(.failed): gone.insert(event.worker)
        case .ready, .output, .consumed, .checkpointed, .paused, .last, .done, .note: break
        }
        return event
    }

    private func stage(_ worker: Int) -> NativeStage? { stages.first { $0.worker == worker } }
}
