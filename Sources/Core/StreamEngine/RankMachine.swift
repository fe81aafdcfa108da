// SPDX-License-Identifier: Apache-2.0

import DequeModule

/// The stream as one rank sees it: what its workers wrote goes to the workers it is meant for, on this rank and others; what
/// arrives goes to its workers; all with bounded memory, until every stream has ended.
///
/// A state machine without I/O or clock: events go in by the methods, actions come out by ``nextAction()``.
///
/// It cannot hang: streams between stages form an acyclic graph, a worker takes whatever comes first, and credit returns when
/// a batch is consumed; so the most downstream workers always progress, and let those before them progress.
package struct RankMachine {
    package enum Action {
        /// Ranks receive what one rank sends them in the order of sending.
        case send(FixedBytes, rank: Int)
        case feed(worker: Int, number: UInt32, Batch)
        /// A source may begin; one that has begun need not wait for checkpoints any more.
        case go(worker: Int)
        /// The worker is to take its part of a checkpoint when it has consumed what it was fed. A source takes it after the item it
        /// is at, and may process so many more until the next.
        case checkpoint(worker: Int, UInt32, items: Int)
        case finish(worker: Int)
        /// Stop or resume to read what the worker writes.
        case read(worker: Int, Bool)
    }

    private enum Phase { case loading, running, finishing, done }

    private struct LocalWorker {
        let number: Int
        let stage: Int
        let isSource: Bool
        var phase = Phase.loading
        var input: InputQueue
        var outputs: [OutboundChannel]
        var isRead = true
        /// A source that takes no further part in checkpoints, and the one that it was asked for last and has not taken.
        var isAtLastItem = false
        var askedFor: UInt32?

        var queuedBytes: Int { outputs.reduce(0) { $0 + $1.queuedBytes } }
    }

    private let limits: StreamLimits
    private let routing: Routing
    private var ranks: [Int] { routing.ranks }
    private var workers: [LocalWorker]
    /// By number of the worker, its position in `workers`.
    private let positions: [Int?]
    private var actions: Deque<Action> = []
    /// Of a rank with sources, as long as checkpoints are taken.
    private var pace: CheckpointPace?
    private let takesCheckpoints: Bool
    /// The first source of each rank that has some.
    private let checkpointSources: [Int]

    /// - Parameter checkpointInterval: nanoseconds; `nil`: no checkpoints are taken.
    package init(routing: Routing, rank: Int, limits: StreamLimits = StreamLimits(), checkpointInterval: Int64? = nil) {
        self.limits = limits
        self.routing = routing
        takesCheckpoints = checkpointInterval != nil
        let sources = routing.ranks.indices.filter { routing.isSource(stage: routing.stages[$0]) }
        checkpointSources = Dictionary(grouping: sources) { routing.ranks[$0] }.values.compactMap(\.first).sorted()
        let local = routing.ranks.indices.filter { routing.ranks[$0] == rank }
        var positions = [Int?](repeating: nil, count: routing.ranks.count)
        for (position, worker) in local.enumerated() { positions[worker] = position }
        self.positions = positions
        workers = local.map { worker in
            let stage = routing.stages[worker]
            return LocalWorker(
                number: worker, stage: stage, isSource: routing.isSource(stage: stage), input: InputQueue(origins: routing.origins[stage]),
                outputs: routing.destinations[stage].map { destination in
                    let inbound = routing.origins[routing.stages[destination]].count
                    return OutboundChannel(
                        destination: destination, window: limits.window(inboundChannels: inbound), batchBytes: limits.batchBytes)
                })
        }
        if let checkpointInterval, workers.contains(where: \.isSource) {
            pace = CheckpointPace(interval: checkpointInterval, workers: routing.ranks.count)
        }
    }

    /// Every worker is done, and everything that left this rank has been consumed: no message is on its way from or to it.
    package var isFinished: Bool { workers.allSatisfy { $0.phase == .done && $0.outputs.allSatisfy(\.isSettled) } && actions.isEmpty }

    /// Bytes held for the worker: what waits to leave, and what waits for it or has not been consumed.
    package func heldBytes(worker: Int) -> (output: Int, input: Int) {
        guard let position = positions[worker] else { return (0, 0) }
        return (workers[position].queuedBytes, workers[position].input.heldBytes)
    }

    package mutating func nextAction() -> Action? { actions.popFirst() }

    // MARK: Events of the transport

    package mutating func received(_ bytes: FixedBytes, fromRank rank: Int) throws(StreamViolation) {
        do {
            let message = try Message(bytes)
            switch message {
            case .data(let from, let to, _), .end(let from, let to), .barrier(let from, let to, _), .part(let from, let to, _),
                .sourceEnded(let from, let to):
                try check(from, on: rank, talksTo: to)
            case .credit(let from, let to, _): try check(to, on: rank, talksTo: from)
            }
            try arrived(message)
        } catch {
            throw StreamViolation("rank \(rank) sent \(error)")
        }
    }

    private func check(_ sender: Int, on rank: Int, talksTo receiver: Int) throws(StreamViolation) {
        guard ranks.indices.contains(sender), ranks[sender] == rank, positions.indices.contains(receiver), positions[receiver] != nil
        else { throw StreamViolation("a message from worker \(sender) to worker \(receiver), who are not there") }
    }

    private mutating func arrived(_ message: consuming Message) throws(StreamViolation) {
        switch message {
        case .data(let from, let to, let batch):
            let position = try position(of: to)
            try workers[position].input.received(batch, from: from)
            feed(position)
        case .end(let from, let to):
            let position = try position(of: to)
            try workers[position].input.ended(from)
            feed(position)
        case .barrier(let from, let to, let checkpoint):
            let position = try position(of: to)
            try workers[position].input.passed(checkpoint, from: from)
            feed(position)
        case .part(_, _, let checkpoint): try pace?.took(checkpoint)
        case .sourceEnded:
            pace?.end()
            for worker in workers where worker.isSource && worker.phase == .running { actions.append(.go(worker: worker.number)) }
        case .credit(let from, let to, let bytes):
            let position = try position(of: from)
            guard let slot = workers[position].outputs.firstIndex(where: { $0.destination == to }) else {
                throw StreamViolation("credit on a channel that does not exist")
            }
            try workers[position].outputs[slot].credit(bytes)
            try depart(position, slot)
            regulate(position)
        }
    }

    // MARK: Events of the workers

    package mutating func ready(_ worker: Int) throws(StreamViolation) {
        let position = try position(of: worker)
        guard workers[position].phase == .loading else { throw StreamViolation("worker \(worker) became ready twice") }
        workers[position].phase = .running
        if workers[position].isSource { actions.append(.go(worker: worker)) } else { feed(position) }
    }

    /// - Parameter output: body of an OUTPUT frame.
    package mutating func wrote(_ output: PaddedBytes, worker: Int) throws(StreamViolation) {
        let position = try position(of: worker)
        guard workers[position].phase != .done else { throw StreamViolation("worker \(worker) wrote after it was done") }
        let stage = workers[position].stage
        var touched = Set<Int>()
        do {
            try Chunk.forEach(in: UnsafeRawBufferPointer(output.buffer)) { chunk, range throws(StreamViolation) in
                let slot = try routing.slot(edge: chunk.edge, replica: chunk.replica, from: stage)
                workers[position].outputs[slot].append(ChunkSlice(body: output, range: range, weight: chunk.weight))
                touched.insert(slot)
            }
        } catch {
            throw StreamViolation("worker \(worker) sent \(error)")
        }
        for slot in touched.sorted() { try depart(position, slot) }
        regulate(position)
    }

    package mutating func consumed(_ number: UInt32, worker: Int) throws(StreamViolation) {
        let position = try position(of: worker)
        let (origin, bytes) = try workers[position].input.consumed(number)
        try dispatch(.credit(from: origin, to: worker, bytes: bytes), toWorker: origin)
        feed(position)
    }

    /// Time has passed: a checkpoint may begin. None does before all sources of the rank are running, or when one has ended.
    /// - Parameter now: nanoseconds.
    package mutating func tick(_ now: Int64) throws(StreamViolation) {
        let sources = workers.indices.filter { workers[$0].isSource && workers[$0].phase != .done }
        guard pace != nil, !sources.isEmpty, sources.allSatisfy({ workers[$0].phase == .running }),
            let (checkpoint, items) = pace?.tick(now)
        else { return }
        for source in sources {
            if workers[source].isAtLastItem {
                try sendBarrier(checkpoint, from: source)
            } else {
                workers[source].askedFor = checkpoint
                actions.append(.checkpoint(worker: workers[source].number, checkpoint, items: items))
            }
        }
    }

    /// A source is at its last item, which may take long. What others hold back until its barrier comes must not wait for that.
    package mutating func atLastItem(_ worker: Int) throws(StreamViolation) {
        let position = try position(of: worker)
        guard workers[position].isSource, workers[position].phase == .running else {
            throw StreamViolation("worker \(worker), who is no running source, is at its last item")
        }
        workers[position].isAtLastItem = true
        if let checkpoint = workers[position].askedFor.take() { try sendBarrier(checkpoint, from: position) }
        try tellSources { .sourceEnded(from: worker, to: $0) }
    }

    private mutating func sendBarrier(_ checkpoint: UInt32, from position: Int) throws(StreamViolation) {
        for slot in workers[position].outputs.indices {
            workers[position].outputs[slot].append(barrierOf: checkpoint)
            try depart(position, slot)
        }
    }

    private mutating func tellSources(_ message: (Int) -> Message) throws(StreamViolation) {
        guard takesCheckpoints else { return }
        for source in checkpointSources { try dispatch(message(source), toWorker: source) }
    }

    /// A source has processed the items that it was allowed, and waits for the next checkpoint.
    package mutating func paused(_ worker: Int) throws(StreamViolation) {
        guard workers[try position(of: worker)].isSource else { throw StreamViolation("worker \(worker), who is no source, paused") }
        if pace?.isRunning == true { pace?.paused() } else { actions.append(.go(worker: worker)) }
    }

    /// The worker has taken its part: what it wrote before belongs to the checkpoint.
    package mutating func checkpointed(_ checkpoint: UInt32, worker: Int) throws(StreamViolation) {
        let position = try position(of: worker)
        guard workers[position].phase == .running || workers[position].phase == .finishing else {
            throw StreamViolation("worker \(worker) took a checkpoint before or after its run")
        }
        workers[position].askedFor = nil
        try sendBarrier(checkpoint, from: position)
        try tellSources { .part(from: worker, to: $0, checkpoint: checkpoint) }
    }

    package mutating func done(_ worker: Int) throws(StreamViolation) {
        let position = try position(of: worker)
        let expected: Phase = workers[position].isSource ? .running : .finishing
        guard workers[position].phase == expected, workers[position].input.isConsumed else {
            throw StreamViolation("worker \(worker) ended before its input did")
        }
        workers[position].phase = .done
        if workers[position].isSource { try tellSources { .sourceEnded(from: worker, to: $0) } }
        for slot in workers[position].outputs.indices {
            workers[position].outputs[slot].close()
            try depart(position, slot)
        }
    }

    // MARK: Consequences

    private func position(of worker: Int) throws(StreamViolation) -> Int {
        guard positions.indices.contains(worker), let position = positions[worker] else {
            throw StreamViolation("worker \(worker) is not on this rank")
        }
        return position
    }

    /// Lets everything leave that may.
    private mutating func depart(_ position: Int, _ slot: Int) throws(StreamViolation) {
        let from = workers[position].number
        let to = workers[position].outputs[slot].destination
        while let departure = workers[position].outputs[slot].next() {
            switch departure {
            case .batch(let batch): try dispatch(.data(from: from, to: to, batch), toWorker: to)
            case .barrier(let checkpoint): try dispatch(.barrier(from: from, to: to, checkpoint: checkpoint), toWorker: to)
            case .end: try dispatch(.end(from: from, to: to), toWorker: to)
            }
        }
    }

    private mutating func dispatch(_ message: consuming Message, toWorker worker: Int) throws(StreamViolation) {
        if positions[worker] == nil {
            actions.append(.send(message.encoded(), rank: ranks[worker]))
        } else {
            try arrived(message)
        }
    }

    private mutating func feed(_ position: Int) {
        guard workers[position].phase == .running else { return }
        let worker = workers[position].number
        while let next = workers[position].input.next(limits) {
            switch next {
            case .batch(let number, let batch): actions.append(.feed(worker: worker, number: number, batch))
            case .checkpoint(let checkpoint): actions.append(.checkpoint(worker: worker, checkpoint, items: 0))
            }
        }
        if workers[position].input.isExhausted, !workers[position].isSource {
            workers[position].phase = .finishing
            actions.append(.finish(worker: worker))
        }
    }

    /// A worker is read while its output can leave.
    private mutating func regulate(_ position: Int) {
        let queued = workers[position].queuedBytes
        let isRead = workers[position].isRead ? queued <= limits.outputBytes : queued <= limits.outputBytes / 2
        guard isRead != workers[position].isRead else { return }
        workers[position].isRead = isRead
        actions.append(.read(worker: workers[position].number, isRead))
    }
}
