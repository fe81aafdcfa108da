// SPDX-License-Identifier: Apache-2.0

import CPosix
import FoundationEssentials
import Glibc
import MPITransport
import Provenance
import PythonHost
import StreamEngine
import WorkflowModel

/// One rank of an attempt, from its start to its end.
struct Rank {
    private let document: RunDocument
    private let folder: RunFolder
    private let reporter: FailureReporter
    private let termination: Int32
    private let transport: MPITransport
    private let host = PythonHost()
    private let routing: Routing
    private var records: RankRecords

    /// - Parameter termination: readable once the rank is to end.
    init(
        document: RunDocument, folder: RunFolder, identity: RankIdentity, transport: MPITransport, termination: Int32
    ) throws {
        self.document = document
        self.folder = folder
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
        routing = try Routing(graph: document.graph, plan: document.plan)
    }

    /// Runs until every worker is done and everything they wrote has been consumed, on this rank and on all others.
    mutating func run() throws {
        try startWorkers()
        var loop = RankLoop(machine: RankMachine(routing: routing, rank: transport.rank), transport: transport, host: host)
        var idle = Backoff(ranks: transport.size)
        while !loop.isFinished || !host.areGone {
            let now = Clock.monotonic
            let worked = try loop.step(now: now) { worker, note in try take(note, from: worker) }
            try records.tick(now)
            if worked { idle.reset() } else { host.wait(nanoseconds: idle.next(), or: termination) }
            try checkTermination()
        }
        try records.end()

        idle.reset()
        while try !transport.allHaveFinished() {
            host.wait(nanoseconds: idle.next(), or: termination)
            try checkTermination()
        }
        try transport.finalize()
    }

    /// Ends at once, after a failure or for a cancel.
    mutating func end(_ failure: FailureReport?) {
        host.kill()
        records.close(failure)
    }

    private func startWorkers() throws(SpawnFailure) {
        let rank = transport.rank
        let environment = WorkerEnvironment.variables(
            inherited: ProcessInfo.processInfo.environment, folder: folder, run: document.run, attempt: document.attempt, rank: rank)
        for worker in document.plan.workers(onRank: rank) {
            try host.start(
                worker: worker, interpreter: document.interpreter, folder: folder.path, environment: environment,
                directory: folder.work)
        }
    }

    private func checkTermination() throws(Terminated) {
        if weft_terminated() != 0 { throw Terminated() }
    }

    private mutating func take(_ note: WorkerNote, from worker: Int) throws {
        switch note {
        case .started(let pid): try records.add(.started, worker: worker, pid: pid)
        case .ready(let pid): try records.add(.ready, worker: worker, pid: pid)
        case .records(let bytes): try records.add(bytes)
        case .line(let instance, let stream, let text):
            try records.add(line: text, worker: worker, instance: instance, stream: stream)
        case .failed(let json): throw RankFailure(report: reporter.report(json, worker: worker))
        case .ended(let end):
            try records.add(.ended, worker: worker, pid: end.pid)
            guard end.wasDone else { throw RankFailure(report: reporter.report(end, worker: worker, document: document)) }
            if case .exited(0) = end.status { return }
            let status =
                switch end.status {
                case .exited(let code): "exited with status \(code)"
                case .killed(let signal): "was killed by \(signal)"
                case .silent: "had to be ended, since it stayed"
                }
            try records.add(line: "the worker \(status) after its work was done", worker: worker, instance: nil, stream: .stderr)
        }
    }
}
