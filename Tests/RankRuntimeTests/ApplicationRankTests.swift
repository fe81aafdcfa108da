// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Provenance
import Testing
import WorkflowModel

@testable import RankRuntime

/// A rank whose program is a script that knows nothing of MPI.
@Suite struct ApplicationRankTests {
    /// The folder of an attempt on two ranks, and what its ranks are told.
    private struct Attempt {
        static let environment = ["PATH": "/usr/bin:/bin"]

        let folder: RunFolder
        let document: RunDocument
        private let owner: TemporaryFolder

        init(_ script: String, arguments: [String] = [], capture: Capture = .full, timeLimit: Double? = nil) throws {
            owner = try TemporaryFolder()
            folder = RunFolder(path: owner.path)
            for path in [folder.module, folder.work, folder.ranks] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
            let program = folder.module + "/program"
            try Data(script.utf8).write(to: URL(filePath: program))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
            document = RunDocument(
                run: run, attempt: 2, graph: WorkflowGraph(application: .mpi, program: "program", digest: ""),
                plan: Plan(
                    layout: .fused, ranksRequested: 2, ranks: 2, stages: [Stage(elements: [0], workers: 2, reasons: [])],
                    workers: [Worker(stage: 0, replica: 0, rank: 0), Worker(stage: 0, replica: 1, rank: 1)], firstInstances: [0],
                    reasons: []), inputs: ["program": .items([["arguments": .array(arguments.map { .string($0) })]])], interpreter: "",
                module: "program", attribute: nil, capture: capture, timeLimit: timeLimit)
        }

        func rank(_ number: Int) throws -> ApplicationRank {
            try ApplicationRank(
                document: document, folder: folder, identity: RankIdentity(rank: number), ranks: 2, termination: -1)
        }

        /// Runs both, as `mpirun` would.
        func runBoth() throws {
            for number in [1, 0] {
                var rank = try rank(number)
                try rank.run(environment: Self.environment)
            }
        }

        /// Why the second rank fails.
        func failure() throws -> FailureReport {
            var rank = try rank(1)
            let failure = #expect(throws: RankFailure.self) { try rank.run(environment: Attempt.environment) }
            let report = try #require(failure?.report)
            rank.end(report)
            return report
        }

        func records(_ rank: Int) throws -> [SegmentRecord] {
            let bytes = Array(try Data(contentsOf: URL(filePath: folder.segment(rank: rank))))
            let part = try SegmentDecoder(run: document.run, attempt: 2, rank: rank).decode(bytes, at: 0)
            return part.records
        }
    }

    private static func lines(_ records: [SegmentRecord]) -> [String] {
        records.compactMap {
            if case .log(_, let instance, let stream, let text) = $0 { "\(instance ?? -1) \(stream) \(text)" } else { nil }
        }
    }

    @Test func itsLinesItsFilesAndItsArgumentsAreRecorded() throws {
        let attempt = try Attempt(
            "#!/bin/sh\necho \"$#: $2\"\necho wrong >&2\nprintf unfinished\nprintf abc > out-$$\n", arguments: ["1", "two words"])
        try attempt.runBoth()
        #expect(Self.lines(try attempt.records(1)).sorted() == ["1 stderr wrong", "1 stdout 2: two words", "1 stdout unfinished"])
        let records = try attempt.records(0)
        let input = DatumID(inputOf: 0, sequence: 0)
        #expect(records.contains(.attributes(datum: input, json: #"{"value":{"arguments":["1","two words"]}}"#)))
        let results = records.compactMap { record -> JSONValue? in
            guard case .result(let datum, 0, let json) = record, datum.instance == 0 else { return nil }
            return try? WireJSON.decode(JSONValue.self, from: json.utf8)
        }
        #expect(results.count == 2)
        for value in results {
            #expect(value["size"] == 3)
            #expect(value["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
            #expect(value["location"]?.stringValue?.hasPrefix(attempt.folder.work + "/out-") == true)
        }
        for rank in [0, 1] {
            let calls = try attempt.records(rank).compactMap { if case .invocation(let call) = $0 { call } else { nil } }
            #expect(calls.map(\.instance) == [rank] && calls[0].outcome == .ok && calls[0].input == input && calls[0].duration > 0)
            let events = try attempt.records(rank).compactMap { if case .worker(_, rank, let event, _, _) = $0 { event } else { nil } }
            #expect(events == [.started, .ready, .ended])
        }
        let data = records.compactMap { if case .datum(let datum) = $0, datum.origin == .sent { datum.size } else { nil } }
        #expect(data == [3, 3])
    }

    @Test func withoutCaptureResultsAndProfilesRemain() throws {
        let attempt = try Attempt("#!/bin/sh\necho x > a\n", capture: .off)
        try attempt.runBoth()
        let records = try attempt.records(0)
        #expect(records.contains { if case .result = $0 { true } else { false } })
        #expect(
            records.contains { if case .profile(0, let profile) = $0 { profile.itemsOut == 1 && profile.bytesOut == 2 } else { false } })
        #expect(!records.contains { if case .datum = $0 { true } else if case .invocation = $0 { true } else { false } })
    }

    @Test func aStatusIsAFailureWithLastWords() throws {
        let attempt = try Attempt("#!/bin/sh\necho one\necho two >&2\nexit 3\n")
        let report = try attempt.failure()
        #expect(report.cause == .worker && report.exitStatus == 3 && report.rank == 1)
        #expect(report.element == "program" && report.instance == 1)
        #expect(report.message == "program of rank 1 on \(RankIdentity(rank: 1).node) exited with status 3")
        #expect(Set(report.traceback?.split(separator: "\n") ?? []) == ["one", "two"])
        let calls = try attempt.records(1).compactMap { if case .invocation(let call) = $0 { call.outcome } else { nil } }
        #expect(calls == [.failed])
        #expect(!FileManager.default.fileExists(atPath: attempt.folder.done(rank: 1)))
    }

    @Test func aSignalIsNamed() throws {
        let report = try Attempt("#!/bin/sh\nkill -SEGV $$\n").failure()
        #expect(report.signal == "SIGSEGV" && report.message.contains("was killed by SIGSEGV"))
    }

    @Test func whatItLeavesRunningEndsWithIt() throws {
        let attempt = try Attempt("#!/bin/sh\nsleep 1000 &\necho $!\n")
        var rank = try attempt.rank(1)
        try rank.run(environment: Attempt.environment)
        let line = try #require(Self.lines(try attempt.records(1)).first?.split(separator: " ").last)
        let child = try #require(Int32(line))
        var isAlive = true
        let deadline = ContinuousClock.now + .seconds(10)
        while isAlive, .now < deadline {
            let state = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)
            isAlive = state.map { !$0.contains(") Z ") } ?? false
        }
        #expect(!isAlive)
    }

    @Test func theTimeLimitEndsIt() throws {
        let report = try Attempt("#!/bin/sh\nexec sleep 1000\n", timeLimit: 0.2).failure()
        #expect(report.cause == .timeLimit && report.element == "program")
    }

    @Test func whatCannotBeStartedIsSaid() throws {
        let report = try Attempt("#!/no/such/interpreter\n").failure()
        let reason = "cannot start program: what its first line names to run it is not there"
        #expect(report.message.contains(reason), "\(report.message)")
    }

    @Test func aJobOfAnotherSizeIsRefused() throws {
        let attempt = try Attempt("#!/bin/sh\n")
        let failure = #expect(throws: RankFailure.self) {
            try ApplicationRank(
                document: attempt.document, folder: attempt.folder, identity: RankIdentity(rank: 0), ranks: 3, termination: -1)
        }
        #expect(failure?.report.cause == .launcher && failure?.report.message.contains("mpirun -n 2") == true)
    }
}
