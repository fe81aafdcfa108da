// SPDX-License-Identifier: Apache-2.0

import CPosix
import Glibc
import MPITransport
import NativeHost
import Provenance
import PythonHost
import StreamEngine
import WorkflowModel

/// One rank of an attempt, from its start to its end.
struct Rank {
    private let document: RunDocument
    private let reporter: FailureReporter
    private let termination: Int32
    private let transport: MPITransport
    private let host: HostSet
    private let routing: Routing
    private var records: RankRecords
    private let checkpoints: CheckpointFiles
    private var activities: [Int: Activity] = [:]

    private enum Activity { case starting, running, ended }

    /// - Parameter termination: readable once the rank is to end.
    init(
        document: RunDocument, folder: RunFolder, identity: RankIdentity, transport: MPITransport, python: PythonHost, termination: Int32
    ) throws {
        self.document = document
        self.transport = transport
        self.termination = termination
        reporter = FailureReporter(identity: identity, document: document)
        guard transport.size == document.plan.ranks else {
            throw RankFailure(
                report: reporter.report(
                    .launcher,
                    "the job has \(transport.size) ranks, but the plan of \(document.run) is for \(document.plan.ranks): "
                        + "start it with mpirun -n \(document.plan.ranks)"))
        }
        records = try RankRecords(document: document, folder: folder, identity: identity)
        checkpoints = CheckpointFiles(folder: folder)
        routing = try Routing(graph: document.graph, plan: document.plan)
        host = try HostSet(
            document: document, folder: folder, workers: document.plan.workers(onRank: identity.rank), python: python)
    }

    /// Runs until every worker is done and everything they wrote has been consumed, on this rank and on all others.
    mutating func run() throws {
        let deadline = document.timeLimit.flatMap { Int64(exactly: ($0 * 1e9).rounded()) }.map { Clock.monotonic + $0 }
        let interval = document.graph.checkpointInterval.flatMap { Int64(exactly: ($0 * 1e9).rounded()) }
        try host.start()
        var loop = RankLoop(
            machine: RankMachine(routing: routing, rank: transport.rank, checkpointInterval: interval), transport: transport, host: host)
        var idle = Backoff()
        while !loop.isFinished || !host.areGone {
            let worked = try loop.step { worker, note in try take(note, from: worker) }
            let now = Clock.monotonic
            try records.tick(now)
            try loop.tick(now)
            if let deadline, deadline < now, let failure = overLimit(loop.machine, by: now - deadline) { throw failure }
            if worked { idle.reset() } else { host.wait(nanoseconds: idle.next(), or: termination) }
            try checkTermination()
        }
        try records.add([.memory(worker: nil, peak: PeakMemory.own)])
        try records.end()

        idle.reset()
        while try !transport.allHaveFinished() {
            // The nursery's last lines come too late for the segment.
            while try host.nextEvent() != nil {}
            // And so do parts of a checkpoint that the end has overtaken.
            while try transport.receive() != nil {}
            host.wait(nanoseconds: idle.next(), or: termination)
            try checkTermination()
        }
        host.close()
        try transport.finalize()
    }

    /// Ends at once, after a failure or for a cancel.
    mutating func end(_ failure: FailureReport?) {
        host.kill()
        records.close(failure)
    }

    private func checkTermination() throws(Terminated) {
        if weft_terminated() != 0 { throw Terminated() }
    }

    private mutating func take(_ note: HostSet.Note, from worker: Int) throws {
        switch note {
        case .python(let note): try take(note, from: worker)
        case .native(let note): try take(note, from: worker)
        }
    }

    /// What belongs to the checkpoint must not be lost once it counts.
    private mutating func checkpointed(_ checkpoint: UInt32, worker: Int, items: Int?) throws {
        try checkpoints.complete(checkpoint, worker: worker, CheckpointPart(items: items, segment: try records.sync()))
    }

    private mutating func take(_ note: NativeNote, from worker: Int) throws {
        switch note {
        case .started:
            activities[worker] = .starting
            try records.add(.started, worker: worker, pid: getpid())
        case .ready:
            activities[worker] = .running
            try records.add(.ready, worker: worker, pid: getpid())
        case .records(let bytes): try records.add(bytes)
        case .checkpointed(let checkpoint, let items): try checkpointed(checkpoint, worker: worker, items: items)
        case .line(let instance, let stream, let text):
            try records.add(line: text, worker: worker, instance: instance, stream: stream)
        case .failed(let report): throw RankFailure(report: reporter.placed(report))
        case .ended:
            activities[worker] = .ended
            try records.add(.ended, worker: worker, pid: getpid())
        }
    }

    private mutating func take(_ note: WorkerNote, from worker: Int) throws {
        switch note {
        case .started(let pid):
            activities[worker] = .starting
            try records.add(.started, worker: worker, pid: pid)
        case .ready(let pid):
            activities[worker] = .running
            try records.add(.ready, worker: worker, pid: pid)
        case .records(let bytes): try records.add(bytes)
        case .checkpointed(let checkpoint, let items): try checkpointed(checkpoint, worker: worker, items: items)
        case .line(let instance, let stream, let text):
            try records.add(line: text, worker: worker, instance: instance, stream: stream)
        case .nursery(let text): try records.add(line: text, from: "nursery")
        case .failed(let json): throw RankFailure(report: reporter.report(json, worker: worker))
        case .ended(let end):
            activities[worker] = .ended
            try records.add(.ended, worker: worker, pid: end.pid)
            guard end.wasDone else { throw RankFailure(report: reporter.report(end, worker: worker, document: document)) }
            let status: String
            switch end.status {
            case .exited(0), .orphaned: return
            case .exited(let code): status = "exited with status \(code)"
            case .killed(let signal): status = "was killed by \(signal)"
            case .silent: status = "had to be ended, since it stayed"
            }
            try records.add(line: "the worker \(status) after its work was done", worker: worker, instance: nil, stream: .stderr)
        }
    }

    /// Where all workers wait for others, those are given time to tell first: the first report is the one that counts.
    private func overLimit(_ machine: RankMachine, by nanoseconds: Int64) -> RankFailure? {
        let states = document.plan.workers(onRank: transport.rank).map { ($0, doing($0, machine)) }
        guard nanoseconds > 500_000_000 || states.contains(where: { !$0.1.waits }) else { return nil }
        let sentences = states.map { "\(document.describe(worker: $0)) \($1.text)" }
        return RankFailure(report: reporter.report(overLimit: document.timeLimit ?? 0, activities: sentences))
    }

    private func doing(_ worker: Int, _ machine: RankMachine) -> (text: String, waits: Bool) {
        switch activities[worker] {
        case nil: return ("had not started", false)
        case .starting: return ("was loading its module or in preprocess", false)
        case .ended: return ("was done", true)
        case .running:
            let held = machine.heldBytes(worker: worker)
            if held.output > 0 { return ("had \(held.output) bytes to send that their reader had no room for", true) }
            if held.input > 0 { return ("had \(held.input) bytes of input that it had not processed", false) }
            return routing.isSource(stage: routing.stages[worker]) ? ("was running", false) : ("waited for input", true)
        }
    }
}
