// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import StreamEngine
import Testing
import WorkflowModel

@testable import PythonHost
@testable import RankRuntime

@Suite struct FailureReporterTests {
    var reporter: FailureReporter {
        FailureReporter(identity: RankIdentity(rank: 3), document: document)
    }
    var place: String { reporter.identity.place }

    func report(_ status: WorkerEnd.Status, worker: Int = 2, wasReady: Bool = true, lastWords: [String] = []) -> FailureReport {
        reporter.report(
            WorkerEnd(pid: 99, status: status, wasReady: wasReady, wasDone: false, lastWords: lastWords), worker: worker, document: document
        )
    }

    @Test func thePlaceIsThisNode() {
        var name = [CChar](repeating: 0, count: 256)
        #expect(gethostname(&name, 255) == 0)
        let node = name.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        #expect(place == "rank 3 on \(node)")
    }

    @Test func everyReportNamesRankAndNode() {
        let errors: [any Error] = [
            StorageError(path: "/f", code: ENOSPC), SpawnFailure(worker: 0, cause: .interpreter, path: "/p", reason: "r"),
            RecordsTooLarge(size: 1 << 30), StreamViolation("worker 1 sent noise"), UnreadableDocument(path: "/run.json", reason: "r"),
            CancellationError(),
        ]
        for report in errors.map(reporter.report) + [report(.exited(7)), reporter.report(Array("noise".utf8), worker: 0)] {
            #expect(report.rank == 3)
            #expect(report.node == reporter.identity.node)
            #expect(report.message.contains(place))
        }
    }

    @Test func aWorkersEndIsNamedWithItsElement() {
        let exit = report(.exited(7), lastWords: ["one", "two"])
        #expect(exit.message == "worker 2 (Sum3) of \(place) exited with status 7, without finishing its work")
        #expect(exit.cause == .worker)
        #expect(exit.exitStatus == 7 && exit.signal == nil)
        #expect(exit.element == "Sum3" && exit.instance == 3)
        #expect(exit.traceback == "one\ntwo")

        let crash = report(.killed(signal: "SIGSEGV"), wasReady: false)
        #expect(crash.message == "worker 2 (Sum3) of \(place) was killed by SIGSEGV before it was ready")
        #expect(crash.signal == "SIGSEGV" && crash.exitStatus == nil)
        #expect(crash.traceback == nil)

        #expect(report(.killed(signal: "SIGKILL")).message.contains("when memory runs out"))
        #expect(report(.silent).message.contains("closed its connection to the rank, so that it had to be ended"))
    }

    @Test func ofAWorkerWithSeveralElementsAllAreNamed() {
        let report = report(.exited(1), worker: 0)
        #expect(report.message.hasPrefix("worker 0 (Split1, Count2) of \(place) exited with status 1"))
        #expect(report.element == nil && report.instance == nil)
    }

    // MARK: Time limits

    let stack = ["said", "Current thread 0x00007f (most recent call first):", "  File \"sum.py\", line 3 in _process"]

    func limited(_ limits: [Double?]) -> RunDocument {
        var document = document
        for (index, limit) in limits.enumerated() { document.graph.elements[index].timeLimit = limit }
        return document
    }

    func reportTimeout(_ limits: [Double?], worker: Int, _ status: WorkerEnd.Status = .killed(signal: "SIGALRM")) -> FailureReport {
        reporter.report(
            WorkerEnd(pid: 99, status: status, wasReady: true, wasDone: false, lastWords: stack), worker: worker,
            document: limited(limits))
    }

    @Test func aDatumThatTookTooLongIsNamedWithPEAndLimit() {
        let report = reportTimeout([nil, nil, 2.5], worker: 2)
        #expect(report.cause == .timeLimit)
        #expect(report.message == "worker 2 (Sum3) of \(place): a datum took longer than the time limit of Sum3 (2.5 s)")
        #expect(report.element == "Sum3" && report.instance == 3)
        #expect(report.signal == "SIGALRM")
        #expect(report.traceback == stack.joined(separator: "\n"))
    }

    @Test func ofSeveralElementsThoseWithALimitAreNamed() {
        #expect(reportTimeout([nil, 2.5, nil], worker: 0).element == "Count2")
        let either = reportTimeout([2.5, 2.5, nil], worker: 0)
        #expect(either.message.hasSuffix("a datum took longer than the time limit of Split1 (2.5 s) or Count2 (2.5 s)"))
        #expect(either.element == nil)
    }

    @Test func anotherEndIsNoTimeout() {
        #expect(reportTimeout([nil, nil, nil], worker: 2).cause == .worker)
        #expect(reportTimeout([nil, nil, 2.5], worker: 2, .exited(2)).cause == .worker)
        #expect(reportTimeout([nil, nil, 2.5], worker: 2, .killed(signal: "SIGSEGV")).cause == .worker)
    }

    @Test func aRunThatTookTooLongSaysWhatItsWorkersDid() {
        let report = reporter.report(overLimit: 60, activities: ["worker 0 (Split1) was running", "worker 1 (Sum3) was done"])
        #expect(report.cause == .timeLimit)
        #expect(
            report.message
                == "the run took longer than its time limit of 60 s; \(place): worker 0 (Split1) was running; worker 1 (Sum3) was done")
    }

    @Test func aWorkerThatLostItsNurseryIsNamed() {
        let report = report(.orphaned)
        #expect(report.cause == .worker)
        #expect(report.message.contains("was lost, as the process of this node that had forked it has ended"))
        #expect(report.signal == nil && report.exitStatus == nil)
    }

    @Test func aNativeElementsFailureGetsItsPlace() {
        let report = reporter.placed(FailureReport(cause: .exception, message: "m", at: .now, element: "Sum3"))
        #expect(report.rank == 3 && report.node == reporter.identity.node && report.element == "Sum3")
    }

    @Test func whatTheWorkerToldIsKept() {
        let told = """
            {"cause": "exception", "message": "Count2 raised ValueError: 漢", "element": "Count2", "instance": 1, "datum": "77",
             "datum_summary": "[1, 2]", "traceback": "Traceback…", "later": true}
            """
        let report = reporter.report(Array(told.utf8), worker: 0)
        #expect(report.cause == .exception)
        #expect(report.message == "Count2 raised ValueError: 漢")
        #expect(report.element == "Count2" && report.instance == 1)
        #expect(report.datum == "77" && report.datumSummary == "[1, 2]" && report.traceback == "Traceback…")
    }

    @Test func ofASingleElementTheNameIsKnown() {
        let report = reporter.report(Array(#"{"cause": "load", "message": "no module"}"#.utf8), worker: 1)
        #expect(report.cause == .load)
        #expect(report.element == "Sum3" && report.instance == 2)
    }

    @Test(arguments: ["", "{", "[]", "{}", #"{"cause": "magic", "message": "x"}"#, "\u{0}\u{1}"])
    func aFailureThatCannotBeReadIsShown(body: String) {
        let report = reporter.report(Array(body.utf8), worker: 0)
        #expect(report.cause == .protocolViolation)
        #expect(report.message == "\(place): worker 0 sent a FAILED frame that cannot be read")
        #expect(report.traceback == body)
    }

    @Test func aWorkerThatCannotStartIsNamed() {
        func report(_ cause: SpawnFailure.Cause, _ worker: Int) -> FailureReport {
            reporter.report(SpawnFailure(worker: worker, cause: cause, path: "/env/python", reason: "No such file or directory"))
        }
        let interpreter = report(.interpreter, 1)
        #expect(
            interpreter.message
                == "cannot start the Python interpreter /env/python for worker 1 (Sum3) of \(place): No such file or directory")
        #expect(interpreter.cause == .interpreter && interpreter.element == "Sum3")
        let directory = report(.directory, 0)
        #expect(directory.cause == .storage && directory.element == nil)
        #expect(directory.message.hasPrefix("cannot enter /env/python, the working directory of worker 0 (Split1, Count2)"))
        #expect(report(.system, 0).message.hasPrefix("the system refused to start worker 0"))
    }

    @Test(
        arguments: [
            (ENOSPC, true, "disk full: cannot write /f: No space left on device"),
            (EDQUOT, true, "disk quota exceeded: cannot write /f: Disk quota exceeded"),
            (EACCES, true, "cannot write /f: Permission denied"), (EIO, true, "cannot write /f: Input/output error"),
            (ENOENT, false, "cannot read /f: No such file or directory"),
        ])
    func aFileThatFailsIsNamed(code: Int32, isWriting: Bool, sentence: String) {
        let report = reporter.report(StorageError(path: "/f", code: code, isWriting: isWriting))
        #expect(report.cause == .storage)
        #expect(report.message == "\(sentence) (\(place))")
    }
}
