// SPDX-License-Identifier: Apache-2.0

import Glibc
import MPITransport
import PythonHost
import StreamEngine
import WorkflowModel

/// A failure whose report is already known.
struct RankFailure: Error {
    let report: FailureReport
}

/// The job is to end: SIGTERM, sent by a cancel or by another rank's failure.
struct Terminated: Error {}

/// What a worker knows of its own failure: the body of a FAILED frame.
private struct WorkerFailure: Decodable {
    var cause: FailureReport.Cause
    var message: String
    var element: String?
    var instance: Int?
    var datum: String?
    var datumSummary: String?
    var traceback: String?

    private enum CodingKeys: String, CodingKey {
        case cause, message, element, instance, datum, traceback
        case datumSummary = "datum_summary"
    }
}

/// Turns whatever ends a rank into a report that names what happened where.
struct FailureReporter {
    let identity: RankIdentity
    var document: RunDocument?

    func report(_ error: any Error) -> FailureReport {
        switch error {
        case let error as RankFailure: error.report
        case let error as StorageError: report(.storage, describe(error))
        case let error as SpawnFailure: report(error)
        case let error as MPIError: report(.rank, "\(identity.place): \(error)")
        case let error as RecordsTooLarge:
            report(
                .protocolViolation,
                "\(identity.place): a worker recorded provenance of \(error.size) bytes at once, where 16 MiB is the most; "
                    + "keep large values out of metadata")
        case is StreamViolation, is UnreadableDocument: report(.protocolViolation, "\(identity.place): \(error)")
        default: report(.rank, "\(identity.place): \(error)")
        }
    }

    func report(_ cause: FailureReport.Cause, _ message: String) -> FailureReport {
        FailureReport(cause: cause, message: message, at: Clock.date(Clock.wall), rank: identity.rank, node: identity.node)
    }

    /// A report that does not know yet whose it is.
    func placed(_ report: FailureReport) -> FailureReport {
        var report = report
        (report.rank, report.node) = (identity.rank, identity.node)
        return report
    }

    private func describe(_ error: StorageError) -> String {
        let place = "\(error.reason) (\(identity.place))"
        return switch error.code {
        case ENOSPC: "disk full: cannot write \(error.path): \(place)"
        case EDQUOT: "disk quota exceeded: cannot write \(error.path): \(place)"
        case EEXIST: "\(error.path) is there already (\(identity.place)): an attempt is started once only; retry the run for another"
        default: "cannot \(error.isWriting ? "write" : "read") \(error.path): \(place)"
        }
    }

    private func report(_ failure: SpawnFailure) -> FailureReport {
        let whose = "\(document?.describe(worker: failure.worker) ?? "worker \(failure.worker)") of \(identity.place)"
        var report =
            switch failure.cause {
            case .interpreter:
                report(.interpreter, "cannot start the Python interpreter \(failure.path) for \(whose): \(failure.reason)")
            case .directory: report(.storage, "cannot enter \(failure.path), the working directory of \(whose): \(failure.reason)")
            case .system: report(.interpreter, "the system refused to start \(whose): \(failure.reason)")
            }
        name(&report, worker: failure.worker)
        return report
    }

    /// - Parameter json: body of a FAILED frame.
    func report(_ json: [UInt8], worker: Int) -> FailureReport {
        guard let told = try? WireJSON.decode(WorkerFailure.self, from: json) else {
            var report = report(.protocolViolation, "\(identity.place): worker \(worker) sent a FAILED frame that cannot be read")
            report.traceback = String(decoding: json, as: UTF8.self)
            return report
        }
        var report = report(told.cause, told.message)
        name(&report, worker: worker)
        report.element = told.element ?? report.element
        report.instance = told.instance ?? report.instance
        report.datum = told.datum
        report.datumSummary = told.datumSummary
        report.traceback = told.traceback
        return report
    }

    /// A worker that ended without a word.
    func report(_ end: WorkerEnd, worker: Int, document: RunDocument) -> FailureReport {
        let whose = "\(document.describe(worker: worker)) of \(identity.place)"
        if let report = reportTimeout(end, worker: worker, of: whose, document: document) { return report }
        let moment = end.wasReady ? "" : " before it was ready"
        let how: String
        switch end.status {
        case .killed("SIGKILL"):
            how = "was killed by SIGKILL\(moment); the system does that when memory runs out, and so does whoever ends the process"
        case .killed(let signal): how = "was killed by \(signal)\(moment)"
        case .exited(let status): how = "exited with status \(status)\(moment), without finishing its work"
        case .orphaned:
            how = "was lost\(moment), as the process of this node that had forked it has ended; the node's first rank logs how"
        case .silent:
            how =
                "closed its connection to the rank\(moment), so that it had to be ended: "
                + "a PE must leave file descriptors alone that it did not open"
        }
        var report = report(.worker, "\(whose) \(how)")
        switch end.status {
        case .killed(let signal): report.signal = signal
        case .exited(let status): report.exitStatus = status
        case .silent, .orphaned: break
        }
        if !end.lastWords.isEmpty { report.traceback = end.lastWords.joined(separator: "\n") }
        name(&report, worker: worker)
        return report
    }

    /// An alarm has ended the worker, since its code did not come back to the interpreter: a datum took longer than it may
    /// (`python/weft/policy.py`).
    private func reportTimeout(_ end: WorkerEnd, worker: Int, of whose: String, document: RunDocument) -> FailureReport? {
        guard end.status == .killed(signal: "SIGALRM") else { return nil }
        let limited = document.elements(ofWorker: worker).compactMap { id, instance in
            document.graph.elements.first { $0.id == id }?.timeLimit.map { (id: id, instance: instance, limit: $0) }
        }
        guard !limited.isEmpty else { return nil }
        let limits = limited.map { "\($0.id) (\(Self.text(seconds: $0.limit)))" }.joined(separator: " or ")
        var report = report(.timeLimit, "\(whose): a datum took longer than the time limit of \(limits)")
        report.signal = "SIGALRM"
        report.traceback = end.lastWords.joined(separator: "\n")
        if limited.count == 1 { (report.element, report.instance) = (limited[0].id, limited[0].instance) }
        return report
    }

    /// `5 s` or `2.5 s`
    private static func text(seconds: Double) -> String {
        seconds == seconds.rounded() && abs(seconds) < 1e15 ? "\(Int(seconds)) s" : "\(seconds) s"
    }

    /// - Parameter activities: what each worker of this rank was doing.
    func report(overLimit limit: Double, activities: [String]) -> FailureReport {
        let doing = activities.isEmpty ? "" : ": " + activities.joined(separator: "; ")
        return report(.timeLimit, "the run took longer than its time limit of \(Self.text(seconds: limit)); \(identity.place)\(doing)")
    }

    /// Of a worker that hosts a single PE it is clear which one it was.
    private func name(_ report: inout FailureReport, worker: Int) {
        guard let elements = document?.elements(ofWorker: worker), elements.count == 1 else { return }
        report.element = elements[0].id
        report.instance = elements[0].instance
    }
}
