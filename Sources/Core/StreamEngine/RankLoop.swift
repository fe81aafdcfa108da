// SPDX-License-Identifier: Apache-2.0

/// Carries messages between ranks.
package protocol Transport {
    /// Begins to send. Messages to one rank arrive in the order of sending.
    mutating func send(_ message: FixedBytes, to rank: Int) throws
    /// The next message that has arrived, with all that belongs to it.
    mutating func receive() throws -> (bytes: FixedBytes, rank: Int)?
    /// Messages that have not left yet.
    var unsent: Int { get }
}

/// What a worker tells its rank.
package enum HostEvent<Note> {
    case ready
    /// Body of an OUTPUT frame: chunks.
    case output(PaddedBytes)
    case consumed(UInt32)
    /// It has taken its part of the checkpoint.
    case checkpointed(UInt32)
    /// A source has processed the items that it was allowed, and waits for the next checkpoint.
    case paused
    /// A source is at its last item, and takes no further part in checkpoints.
    case last
    case done
    /// What the stream has no part in: provenance, log lines, failures.
    case note(Note)
}

/// Runs a rank's workers. None of its calls waits.
package protocol ElementHost {
    associatedtype Note

    mutating func feed(_ batch: consuming Batch, number: UInt32, to worker: Int) throws
    mutating func go(_ worker: Int) throws
    /// - Parameter items: how many a source may process until the next one.
    mutating func checkpoint(_ checkpoint: UInt32, of worker: Int, items: Int) throws
    mutating func finish(_ worker: Int) throws
    mutating func setReading(_ reading: Bool, from worker: Int)
    /// Events of one worker come in the order in which it sent them.
    mutating func nextEvent() throws -> (worker: Int, event: HostEvent<Note>)?
}

/// The loop of a rank: joins transport, workers and the state machine between them. The caller waits between idle steps.
package struct RankLoop<Link: Transport, Host: ElementHost> {
    package var transport: Link
    package var host: Host
    package private(set) var machine: RankMachine

    /// What one step takes from either side at most, so that neither starves the other.
    private let share = 64

    package init(machine: RankMachine, transport: Link, host: Host) {
        self.machine = machine
        self.transport = transport
        self.host = host
    }

    package var isFinished: Bool { machine.isFinished && transport.unsent == 0 }

    /// Handles what is there.
    /// - Parameter note: receives what workers tell beside the stream.
    /// - Returns: whether there was anything.
    package mutating func step(note: (Int, Host.Note) throws -> Void) throws -> Bool {
        var worked = false
        for _ in 0..<share {
            guard let (bytes, rank) = try transport.receive() else { break }
            worked = true
            try machine.received(bytes, fromRank: rank)
            try act()
        }
        for _ in 0..<share {
            guard let (worker, event) = try host.nextEvent() else { break }
            worked = true
            switch event {
            case .ready: try machine.ready(worker)
            case .output(let output): try machine.wrote(output, worker: worker)
            case .consumed(let number): try machine.consumed(number, worker: worker)
            case .checkpointed(let checkpoint): try machine.checkpointed(checkpoint, worker: worker)
            case .paused: try machine.paused(worker)
            case .last: try machine.atLastItem(worker)
            case .done: try machine.done(worker)
            case .note(let content): try note(worker, content)
            }
            try act()
        }
        return worked
    }

    /// To be called now and then.
    /// - Parameter now: nanoseconds.
    package mutating func tick(_ now: Int64) throws {
        try machine.tick(now)
        try act()
    }

    private mutating func act() throws {
        while let action = machine.nextAction() {
            switch action {
            case .send(let bytes, let rank): try transport.send(bytes, to: rank)
            case .feed(let worker, let number, let batch): try host.feed(batch, number: number, to: worker)
            case .go(let worker): try host.go(worker)
            case .checkpoint(let worker, let checkpoint, let items): try host.checkpoint(checkpoint, of: worker, items: items)
            case .finish(let worker): try host.finish(worker)
            case .read(let worker, let reading): host.setReading(reading, from: worker)
            }
        }
    }
}
