// SPDX-License-Identifier: Apache-2.0

import StreamEngine
import WorkflowModel

/// Messages between the ranks of one process, each delayed at random, those of one pair of ranks in order.
final class Network {
    private var queues: [[(bytes: FixedBytes, due: Int64)]]
    private let ranks: Int
    private var generator: SeededGenerator
    private let delay: Int64
    var now: Int64 = 0

    init(ranks: Int, delay: Int64, seed: UInt64) {
        self.ranks = ranks
        self.delay = delay
        generator = SeededGenerator(seed: seed)
        queues = Array(repeating: [], count: ranks * ranks)
    }

    var isEmpty: Bool { queues.allSatisfy(\.isEmpty) }

    func send(_ bytes: FixedBytes, from: Int, to: Int) {
        queues[from * ranks + to].append((bytes, now + Int64.random(in: 0...delay, using: &generator)))
    }

    func receive(at rank: Int) -> (bytes: FixedBytes, rank: Int)? {
        let start = generator.below(ranks)
        for offset in 0..<ranks {
            let from = (start + offset) % ranks
            guard let first = queues[from * ranks + rank].first, first.due <= now else { continue }
            queues[from * ranks + rank].removeFirst()
            return (first.bytes, from)
        }
        return nil
    }

    func unsent(by rank: Int) -> Int { (0..<ranks).reduce(0) { $0 + queues[rank * ranks + $1].count } }
}

struct SimulatedTransport: Transport {
    let network: Network
    let rank: Int

    func send(_ message: FixedBytes, to rank: Int) { network.send(message, from: self.rank, to: rank) }
    func receive() -> (bytes: FixedBytes, rank: Int)? { network.receive(at: rank) }
    var unsent: Int { network.unsent(by: rank) }
}

/// What a worker sent or received.
struct Item: Hashable, CustomStringConvertible {
    var edge: Int
    var datum: UInt64
    var key: UInt64
    var length: Int

    var description: String { "\(edge):\(datum >> 32).\(datum & 0xFFFF_FFFF)" }
}

extension Item {
    /// Data of one edge and replica as a chunk, whose content repeats what the items are.
    static func encode(_ items: [Item], replica: Int, into bytes: inout [UInt8]) -> Int {
        let content = items.reduce(0) { $0 + 12 + $1.length }
        let length = Chunk.headerSize + 8 * items.count + content
        let header = Chunk(length: length, edge: items[0].edge, replica: replica, count: items.count, listsIDs: true, weight: length)
        header.encode(into: &bytes)
        for item in items { bytes.appendLittleEndian(item.datum) }
        for item in items {
            bytes.appendLittleEndian(item.key)
            bytes.appendLittleEndian(UInt32(item.length))
            bytes.append(contentsOf: repeatElement(UInt8(item.edge), count: item.length))
        }
        return length
    }

    static func decode(_ bytes: UnsafeRawBufferPointer) throws(StreamViolation) -> [Item] {
        var items: [Item] = []
        try Chunk.forEach(in: bytes) { chunk, range throws(StreamViolation) in
            var position = range.lowerBound + chunk.contentOffset
            for index in 0..<chunk.count {
                let datum = bytes.loadLittleEndian(UInt64.self, at: range.lowerBound + Chunk.headerSize + 8 * index)
                let key = bytes.loadLittleEndian(UInt64.self, at: position)
                let length = Int(bytes.loadLittleEndian(UInt32.self, at: position + 8))
                items.append(Item(edge: chunk.edge, datum: datum, key: key, length: length))
                position += 12 + length
            }
        }
        return items
    }
}

/// A worker that turns each datum into none, one or several, at its own pace.
struct SimulatedWorker {
    let number: Int
    let isSource: Bool
    /// Edges of the graph that leave its stage.
    let edges: [Int]
    /// Probability that it does something when asked.
    let pace: Double
    let longestValue: Int
    var remaining: Int
    private(set) var sent: [Item] = []
    private(set) var received: [Item] = []
    private(set) var largestFrame = 0
    private(set) var largestChunk = 0
    private(set) var largestInput = 0
    private(set) var mostBatches = 0

    private enum Input {
        case batch(number: UInt32, [Item])
        case checkpoint(UInt32, items: Int)
    }

    /// Items that a source may still process before the next checkpoint; `nil`: there are none.
    var allowed: Int?
    private var isPaused = false
    /// Whether it says that it is at its last item, and then takes no further part.
    private let saysLast: Bool
    private var isAtLastItem = false
    private var isReady = false
    private var mayRun = false
    private var mayFinish = false
    private(set) var isDone = false
    var isRead = true
    /// By checkpoint: how much was sent and received when the worker took its part.
    private(set) var parts: [UInt32: (sent: Int, received: Int)] = [:]
    private var inputs: [Input] = []
    private var generator: SeededGenerator
    private var router: Router

    init(
        number: Int, isSource: Bool, edges: [Int], router: Router, pace: Double, items: Int, longestValue: Int, seed: UInt64
    ) {
        self.number = number
        self.isSource = isSource
        self.edges = edges
        self.router = router
        self.pace = pace
        self.longestValue = longestValue
        remaining = isSource ? items : 0
        generator = SeededGenerator(seed: seed)
        saysLast = seed.isMultiple(of: 2)
    }

    mutating func feed(_ batch: Batch, number: UInt32) throws {
        let items = try Item.decode(batch.chunks)
        inputs.append(.batch(number: number, items))
        largestInput = max(largestInput, batch.weight)
        mostBatches = max(mostBatches, inputs.count { if case .batch = $0 { true } else { false } })
    }

    mutating func checkpoint(_ number: UInt32, items: Int) { inputs.append(.checkpoint(number, items: items)) }
    mutating func go() {
        if mayRun { (allowed, isPaused) = (nil, false) }
        mayRun = true
    }
    mutating func finish() { mayFinish = true }

    mutating func nextEvents() -> [HostEvent<Never>] {
        guard isRead, !isDone, generator.chance(pace) else { return [] }
        if !isReady {
            isReady = true
            return [.ready]
        }
        if case .checkpoint(let number, let items)? = inputs.first, !isAtLastItem {
            inputs.removeFirst()
            allowed = items
            isPaused = false
            parts[number] = (sent.count, received.count)
            return [.checkpointed(number)]
        }
        if isSource {
            if isPaused { return [] }
            if mayRun, remaining > 0, allowed == 0 {
                isPaused = true
                return [.paused]
            }
            if mayRun, remaining > 0 {
                if remaining == 1, allowed != nil, !isAtLastItem, saysLast {
                    isAtLastItem = true
                    return [.last]
                }
                let most = saysLast && !isAtLastItem && allowed != nil ? remaining - 1 : remaining
                let some = min(most, allowed ?? .max, 1 + generator.below(5))
                remaining -= some
                allowed? -= some
                return output(some)
            }
            if mayRun { return end() }
        } else if case .batch(let number, let items)? = inputs.first {
            inputs.removeFirst()
            received += items
            // A filter, a map and a fan-out at once.
            return output(items.reduce(0) { count, _ in count + generator.below(3) }) + [.consumed(number)]
        } else if mayFinish {
            return end()
        }
        return []
    }

    /// What `postprocess` writes comes before the end.
    private mutating func end() -> [HostEvent<Never>] {
        isDone = true
        return output(generator.below(3)) + [.done]
    }

    private mutating func output(_ data: Int) -> [HostEvent<Never>] {
        guard data > 0, !edges.isEmpty else { return [] }
        var gathered: [(edge: Int, replica: Int, items: [Item])] = []
        for _ in 0..<data {
            // Most data are small; some are longer than a batch or a window.
            let length = generator.chance(0.05) ? generator.below(longestValue) : generator.below(40)
            let datum = UInt64(number) << 32 | UInt64(sent.count)
            for edge in edges where generator.chance(0.8) {
                let item = Item(edge: edge, datum: datum, key: generator.next() % 17, length: length)
                sent.append(item)
                for replica in router.replicas(edge: edge, keyHash: item.key) ?? 0..<0 {
                    if let known = gathered.firstIndex(where: { $0.edge == edge && $0.replica == replica && $0.items.count < 3 }) {
                        gathered[known].items.append(item)
                    } else {
                        gathered.append((edge, replica, [item]))
                    }
                }
            }
        }
        var frame: [UInt8] = []
        for (_, replica, items) in gathered { largestChunk = max(largestChunk, Item.encode(items, replica: replica, into: &frame)) }
        largestFrame = max(largestFrame, frame.count)
        return [.output(PaddedBytes(frame))]
    }
}

struct SimulatedHost: ElementHost {
    var workers: [Int: SimulatedWorker]
    private var events: [(worker: Int, event: HostEvent<Never>)] = []
    private var asked = 0

    init(workers: [SimulatedWorker]) { self.workers = Dictionary(uniqueKeysWithValues: workers.map { ($0.number, $0) }) }

    mutating func feed(_ batch: consuming Batch, number: UInt32, to worker: Int) throws {
        try workers[worker]?.feed(batch, number: number)
    }
    mutating func go(_ worker: Int) { workers[worker]?.go() }
    mutating func checkpoint(_ checkpoint: UInt32, of worker: Int, items: Int) { workers[worker]?.checkpoint(checkpoint, items: items) }
    mutating func finish(_ worker: Int) { workers[worker]?.finish() }
    mutating func setReading(_ reading: Bool, from worker: Int) { workers[worker]?.isRead = reading }

    mutating func nextEvent() -> (worker: Int, event: HostEvent<Never>)? {
        if events.isEmpty {
            // Each worker is asked once between two pauses, as sockets are polled.
            asked = (asked + 1) % 2
            guard asked == 1 else { return nil }
            for worker in workers.keys.sorted() {
                for event in workers[worker]?.nextEvents() ?? [] { events.append((worker, event)) }
            }
        }
        return events.isEmpty ? nil : events.removeFirst()
    }
}

/// All ranks of one run, in one process, in simulated time.
struct Simulation {
    let layout: Layout
    let limits: StreamLimits
    let network: Network
    var loops: [RankLoop<SimulatedTransport, SimulatedHost>]
    private(set) var mostOutput: [Int: Int] = [:]
    private(set) var mostInput: [Int: Int] = [:]

    /// - Parameter checkpointEvery: steps between checkpoints; `nil`: there are none.
    init(
        layout: Layout, limits: StreamLimits, items: Int, longestValue: Int, seed: UInt64, checkpointEvery: Int? = nil,
        pace: (Int) -> Double
    ) throws {
        var generator = SeededGenerator(seed: seed)
        let routing = try Routing(graph: layout.graph, plan: layout.plan)
        let network = Network(ranks: layout.plan.ranks, delay: Int64(generator.below(20)) * 1_000_000, seed: generator.next())
        loops = []
        for rank in 0..<layout.plan.ranks {
            let workers = layout.plan.workers(onRank: rank).map { worker in
                let stage = layout.plan.workers[worker].stage
                let edges = layout.graph.edges.indices.filter { Self.leaves(layout, edge: $0, stage: stage) }
                var made = SimulatedWorker(
                    number: worker, isSource: routing.isSource(stage: stage), edges: edges,
                    router: Router(routing: routing, worker: worker), pace: pace(worker), items: items, longestValue: longestValue,
                    seed: generator.next())
                made.allowed = checkpointEvery.map { _ in CheckpointRules.firstItems(workers: layout.plan.workers.count) }
                return made
            }
            loops.append(
                RankLoop(
                    machine: RankMachine(
                        routing: routing, rank: rank, limits: limits, checkpointInterval: checkpointEvery.map { Int64($0) * 1_000_000 }),
                    transport: SimulatedTransport(network: network, rank: rank), host: SimulatedHost(workers: workers)))
        }
        self.layout = layout
        self.limits = limits
        self.network = network
    }

    var workers: [SimulatedWorker] { loops.flatMap { $0.host.workers.values }.sorted { $0.number < $1.number } }

    static func leaves(_ layout: Layout, edge: Int, stage: Int) -> Bool {
        let edge = layout.graph.edges[edge]
        guard let from = layout.graph.index(of: edge.from), let to = layout.graph.index(of: edge.to) else { return false }
        return layout.plan.stage(ofElement: from) == stage && layout.plan.stage(ofElement: to) != stage
    }

    /// - Returns: whether every rank came to its end within so many steps.
    mutating func run(steps: Int) throws -> Bool {
        for _ in 0..<steps {
            network.now += 1_000_000
            for rank in loops.indices { try loops[rank].tick(network.now) }
            for rank in loops.indices {
                guard try loops[rank].step(note: { _, _ in }) else { continue }
                for worker in layout.plan.workers(onRank: rank) {
                    let held = loops[rank].machine.heldBytes(worker: worker)
                    mostOutput[worker] = max(mostOutput[worker] ?? 0, held.output)
                    mostInput[worker] = max(mostInput[worker] ?? 0, held.input)
                }
            }
            if loops.allSatisfy(\.isFinished) { return true }
        }
        return false
    }
}
