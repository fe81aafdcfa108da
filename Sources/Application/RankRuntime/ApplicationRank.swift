// SPDX-License-Identifier: Apache-2.0

import CPosix
import DequeModule
import Glibc
import Provenance
import PythonHost
import WorkflowModel

/// One rank of an attempt that runs an application, from its start to its end. The rank of MPI is the program: this process
/// starts it, listens to it, and writes down what becomes of it, without any MPI of its own.
struct ApplicationRank {
    /// `mpirun` kills who has not ended within a second of its asking.
    private static let grace: Int64 = 500_000_000
    private static let look: Int64 = 50_000_000
    private static let files = 0

    private let document: RunDocument
    private let folder: RunFolder
    private let identity: RankIdentity
    private let reporter: FailureReporter
    private let termination: Int32
    private let program: ProcessElement
    private let worker: Int
    private var records: RankRecords
    private var process: ApplicationProcess?

    /// Every rank is an instance.
    private var instance: Int { document.plan.workers[worker].replica }
    private var isFirst: Bool { instance == 0 }
    /// The arguments, which every rank is given.
    private let input = DatumID(inputOf: 0, sequence: 0)

    /// - Parameter termination: readable once the rank is to end.
    init(document: RunDocument, folder: RunFolder, identity: RankIdentity, ranks: Int?, termination: Int32) throws {
        self.document = document
        self.folder = folder
        self.identity = identity
        self.termination = termination
        reporter = FailureReporter(identity: identity, document: document)
        guard ranks == document.plan.ranks, let worker = document.plan.workers(onRank: identity.rank).first else {
            throw RankFailure(
                report: reporter.report(
                    .launcher,
                    "the job has \(ranks.map { "\($0)" } ?? "an unknown number of") ranks, but the plan of \(document.run) is for "
                        + "\(document.plan.ranks): start it with mpirun -n \(document.plan.ranks)"))
        }
        self.worker = worker
        program = document.graph.elements[0]
        records = try RankRecords(document: document, folder: folder, identity: identity)
    }

    /// Runs the program. When it has ended well everywhere, the first rank records the files that it left.
    mutating func run(environment: [String: String]) throws {
        let deadline = document.timeLimit.flatMap { Int64(exactly: ($0 * 1e9).rounded()) }.map { Clock.monotonic + $0 }
        let begun = (wall: Clock.wall, monotonic: Clock.monotonic)
        if isFirst { try recordArguments(at: begun.wall) }
        let pid = try start(environment)
        let status = try follow(until: deadline)
        try records.add(.ended, worker: worker, pid: pid)
        let duration = Clock.monotonic - begun.monotonic
        try recordCall(from: begun.wall, lasting: duration, endedWell: status == .exited(0))
        guard status == .exited(0) else { throw RankFailure(report: report(status)) }
        var profile = InstanceProfile(calls: 1, itemsIn: 1, busy: duration, sampled: 1, p50: duration, p95: duration)
        if isFirst {
            try waitForOthers()
            try recordFiles(&profile)
        }
        try records.add([
            .profile(instance: instance, profile), .memory(worker: worker, peak: PeakMemory.ofChildren),
            .memory(worker: nil, peak: PeakMemory.own),
        ])
        try records.end()
        if !isFirst { _ = try AppendFile(creating: folder.done(rank: identity.rank)) }
    }

    /// Ends at once, after a failure or for a cancel.
    mutating func end(_ failure: FailureReport?) {
        process?.kill()
        records.close(failure)
    }

    // MARK: The program

    private mutating func start(_ environment: [String: String]) throws -> Int32 {
        let path = "\(folder.module)/\(document.module)"
        do {
            let process = try ApplicationProcess(
                path: path, arguments: document.arguments, environment: environment, directory: folder.work)
            self.process = process
            try records.add(.started, worker: worker, pid: process.pid)
            try records.add(.ready, worker: worker, pid: process.pid)
            return process.pid
        } catch let failure as ChildProcess.Failure {
            let reason = String(cString: strerror(failure.code))
            let what =
                switch failure.cause {
                case .interpreter where failure.code == ENOENT: "what its first line names to run it is not there (\(path))"
                case .interpreter: "\(reason) (\(path))"
                case .directory: "\(reason) (its working directory \(folder.work))"
                case .system: reason
                }
            throw RankFailure(report: named(reporter.report(.worker, "\(identity.place) cannot start \(program.id): \(what)")))
        }
    }

    /// - Returns: how it ended, unless it was ended from here.
    private mutating func follow(until deadline: Int64?) throws -> WorkerEnd.Status {
        while true {
            try attend(Self.look, or: termination)
            if let status = process?.status { return status }
            if let deadline, deadline < Clock.monotonic {
                throw RankFailure(
                    report: named(reporter.report(overLimit: document.timeLimit ?? 0, activities: ["\(program.id) was running"])))
            }
            try checkTermination()
        }
    }

    private mutating func checkTermination() throws {
        guard weft_terminated() != 0 else { return }
        process?.interrupt()
        let killed = Clock.monotonic + Self.grace
        while let process, process.status == nil, Clock.monotonic < killed { try attend(Self.look) }
        throw Terminated()
    }

    private mutating func attend(_ nanoseconds: Int64, or termination: Int32? = nil) throws {
        var lines: [(LogLine.Stream, String)] = []
        try process?.attend(nanoseconds: nanoseconds, or: termination) { lines.append(($0, $1)) }
        for (stream, text) in lines { try records.add(line: text, worker: worker, instance: instance, stream: stream) }
        try records.tick(Clock.monotonic)
    }

    private func report(_ status: WorkerEnd.Status) -> FailureReport {
        var report = reporter.report(.worker, "")
        let how: String
        switch status {
        case .exited(let code):
            how = "exited with status \(code)"
            report.exitStatus = code
        case .killed(let signal):
            let remark = signal == "SIGKILL" ? "; the system does that when memory runs out, and so does whoever ends the process" : ""
            how = "was killed by \(signal)\(remark)"
            report.signal = signal
        case .silent, .orphaned: how = "was lost"
        }
        report.message = "\(program.id) of \(identity.place) \(how)"
        if let words = process?.lastWords, !words.isEmpty { report.traceback = words.joined(separator: "\n") }
        return named(report)
    }

    private func named(_ report: FailureReport) -> FailureReport {
        var report = report
        (report.element, report.instance) = (program.id, instance)
        return report
    }

    // MARK: What is recorded

    private var isCaptured: Bool { document.capture == .full }

    private mutating func recordArguments(at time: Int64) throws {
        guard isCaptured else { return }
        let arguments = JSONValue.object(["arguments": .array(document.arguments.map { .string($0) })])
        let size = try WireJSON.encode(arguments).count
        try records.add([
            .datum(WrittenDatum(id: input, origin: .runInput, port: 0, invocation: nil, size: UInt64(size), at: time)),
            .attributes(datum: input, json: try json(["value": arguments])),
        ])
    }

    private mutating func recordCall(from start: Int64, lasting duration: Int64, endedWell: Bool) throws {
        guard isCaptured else { return }
        try records.add([
            .invocation(
                InvocationRecord(
                    instance: instance, sequence: 0, kind: .process, outcome: endedWell ? .ok : .failed, input: input, inputPort: nil,
                    start: start, duration: duration))
        ])
    }

    /// Each rank tells by a file when its program has ended; if one fails, `mpirun` ends this one.
    private mutating func waitForOthers() throws {
        for rank in 0..<document.plan.ranks where rank != identity.rank {
            var idle = Backoff()
            while access(folder.done(rank: rank), F_OK) != 0 {
                var interest = [pollfd(fd: termination, events: Int16(POLLIN), revents: 0)]
                weft_poll(&interest, 1, idle.next())
                try records.tick(Clock.monotonic)
                try checkTermination()
            }
        }
    }

    private mutating func recordFiles(_ profile: inout InstanceProfile) throws {
        var files = WorkFiles(in: folder.work)
        var digests = 0
        for (number, file) in files.files.enumerated() {
            var value: [String: JSONValue] = ["file": .string(file.name), "size": .integer(file.size)]
            if let digest = try files.digest(of: file, { if weft_terminated() != 0 { throw Terminated() } }) {
                value["sha256"] = .string(digest)
                digests += 1
            }
            let id = DatumID(instance: 0, sequence: UInt64(number))
            let location = JSONValue.string(files.location(of: file))
            if isCaptured {
                try records.add([
                    .datum(
                        WrittenDatum(
                            id: id, origin: .sent, port: Self.files, invocation: 0, size: UInt64(max(0, file.size)), at: file.changedAt)),
                    .attributes(datum: id, json: try json(["location": location, "metadata": .object(value)])),
                ])
            }
            value["location"] = location
            try records.add([.result(datum: id, port: Self.files, json: try json(value))])
            profile.itemsOut += 1
            profile.bytesOut += file.size
            try records.tick(Clock.monotonic)
        }
        if !files.areAll {
            try remark("The working directory holds more files than the \(files.files.count) that are recorded: pack them together.")
        }
        if digests < files.files.count {
            try remark(
                "\(files.files.count - digests) files are recorded without SHA-256: they cannot be read, or all are larger than "
                    + "\(WorkFiles.maximumDigested >> 30) GiB together.")
        }
    }

    private mutating func remark(_ text: String) throws { try records.add(line: text, from: "rank \(identity.rank)") }

    private func json(_ value: [String: JSONValue]) throws -> String { String(decoding: try WireJSON.encode(value), as: UTF8.self) }
}
