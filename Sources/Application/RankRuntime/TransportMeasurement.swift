// SPDX-License-Identifier: Apache-2.0

import CPosix
import MPITransport
import StreamEngine
import WorkflowModel

/// Sends batches from rank 0 to rank 1 as a run does, but without workers: what MPI and the machinery around it make of the
/// hardware.
struct TransportMeasurement {
    /// Bytes of one chunk.
    let bytes: Int
    let seconds: Double

    struct Unsuitable: Error, CustomStringConvertible {
        let description: String
    }

    init(bytes: Int, seconds: Double) throws(Unsuitable) {
        guard (64...1 << 30).contains(bytes), seconds > 0, seconds <= 3600 else {
            throw Unsuitable(description: "--measure-transport takes 64 to \(1 << 30) bytes, and seconds up to an hour")
        }
        self.bytes = bytes
        self.seconds = seconds
    }

    /// - Returns: bytes per second, on rank 0.
    func run() throws -> Double? {
        let transport = try MPITransport.start()
        guard transport.size == 2 else {
            throw Unsuitable(description: "--measure-transport needs two ranks, not \(transport.size): start it with mpirun -n 2")
        }
        let graph = WorkflowGraph(
            elements: [
                ProcessElement(id: "Source", name: "Source", outputs: ["output"]),
                ProcessElement(id: "Sink", name: "Sink", inputs: [InputPort(name: "input")]),
            ], edges: [Edge(from: "Source", output: "output", to: "Sink", input: "input")])
        let plan = Plan(
            layout: .spread, ranksRequested: 2, ranks: 2,
            stages: [Stage(elements: [0], workers: 1, reasons: []), Stage(elements: [1], workers: 1, reasons: [])],
            workers: [Worker(stage: 0, replica: 0, rank: 0), Worker(stage: 1, replica: 0, rank: 1)], firstInstances: [0, 1], reasons: [])
        let machine = RankMachine(routing: try Routing(graph: graph, plan: plan), rank: transport.rank)
        let host = ChunkHost(worker: transport.rank, bytes: bytes, nanoseconds: Int64(seconds * 1e9))
        var loop = RankLoop(machine: machine, transport: transport, host: host)
        var idle = Backoff()
        while !loop.isFinished {
            if try loop.step(note: { _, _ in }) { idle.reset() } else { weft_poll(nil, 0, idle.next()) }
        }
        let elapsed = Double(Clock.monotonic - host.startedAt) / 1e9
        idle.reset()
        while try !transport.allHaveFinished() { weft_poll(nil, 0, idle.next()) }
        try transport.finalize()
        return transport.rank == 0 ? Double(host.written) / elapsed : nil
    }
}

/// One worker that writes the same chunk for some time, or that takes whatever comes.
private final class ChunkHost: ElementHost {
    typealias Note = Never
    typealias Event = (worker: Int, event: HostEvent<Never>)

    private let worker: Int
    private let bytes: Int
    private let chunkStart: [UInt8]
    private let nanoseconds: Int64
    private var events: [Event]
    private var isWriting = false
    private var isRead = true
    private(set) var startedAt: Int64 = 0
    private(set) var written = 0

    init(worker: Int, bytes: Int, nanoseconds: Int64) {
        self.worker = worker
        self.bytes = bytes
        self.nanoseconds = nanoseconds
        events = [(worker, .ready)]
        var start: [UInt8] = []
        Chunk(length: bytes, edge: 0, replica: 0, count: 1, listsIDs: false, weight: bytes).encode(into: &start)
        chunkStart = start
    }

    func feed(_ batch: consuming Batch, number: UInt32, to worker: Int) { events.append((worker, .consumed(number))) }

    func go(_ worker: Int) {
        startedAt = Clock.monotonic
        isWriting = true
    }

    func checkpoint(_ checkpoint: UInt32, of worker: Int, items: Int) { events.append((worker, .checkpointed(checkpoint))) }

    func finish(_ worker: Int) { events.append((worker, .done)) }

    func setReading(_ reading: Bool, from worker: Int) { isRead = reading }

    func nextEvent() -> Event? {
        if !events.isEmpty { return events.removeFirst() }
        guard isWriting, isRead else { return nil }
        if Clock.monotonic - startedAt > nanoseconds {
            isWriting = false
            return (worker, .done)
        }
        written += bytes
        let chunk = PaddedBytes(count: bytes)
        chunk.buffer.copyBytes(from: chunkStart)
        return (worker, .output(chunk))
    }
}
