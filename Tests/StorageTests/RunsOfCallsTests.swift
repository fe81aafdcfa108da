// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import Provenance
import TestSupport
import Testing
import WorkflowModel

@testable import Storage

/// Numbers that are the same in every test run (SplitMix64).
private struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

private let start: Int64 = 1_750_000_000_000_000_000

/// What Read0 and the two instances of CountWords1 did, call by call and datum by datum; the two forms in which it can be recorded.
private struct History {
    private struct Call {
        var sequence: UInt64
        var input: DatumID
    }

    private struct Written {
        var datum: DatumID
        var writer: UInt64
    }

    private(set) var singles: [SegmentRecord] = []
    private(set) var runs: [SegmentRecord] = []
    private(set) var data: [DatumID] = []

    init(seed: UInt64) {
        var numbers = Numbers(state: seed)
        // Read0: items, each call writes none to many lines.
        let items = (0..<UInt64.random(in: 1...30, using: &numbers)).map { DatumID(inputOf: 0, sequence: $0) }
        add(items.map { Written(datum: $0, writer: .max) }, &numbers)
        let calls = items.enumerated().map { Call(sequence: UInt64($0) + 5, input: $1) }
        add(calls, of: 0, &numbers)
        var lines: [Written] = []
        for call in calls {
            let count = [0, 1, 1, 2, 30].randomElement(using: &numbers) ?? 1
            for _ in 0..<count { lines.append(Written(datum: DatumID(instance: 0, sequence: UInt64(lines.count)), writer: call.sequence)) }
        }
        // Of two outputs: the data are not in the order of the calls.
        if Bool.random(using: &numbers) {
            let writers = lines.map(\.writer).sorted { $0 % 3 < $1 % 3 }
            for index in lines.indices { lines[index].writer = writers[index] }
        }
        add(lines, &numbers)
        // Each line goes to one instance or to both.
        for instance in 1...2 {
            let pattern = Int.random(in: 0..<3, using: &numbers)
            let taken = lines.map(\.datum).filter { pattern == 0 || ($0.sequence + UInt64(instance)) % UInt64(pattern + 1) == 0 }
            let order = Bool.random(using: &numbers) ? taken : taken.shuffled(using: &numbers)
            let calls = order.enumerated().map { Call(sequence: UInt64($0), input: $1) }
            add(calls, of: instance, &numbers)
            add(
                calls.map { Written(datum: DatumID(instance: instance, sequence: $0.sequence), writer: $0.sequence) }, &numbers)
            let last = UInt64(calls.count)
            let ending = [
                invocation(instance, last, input: nil, kind: .postprocess), datum(DatumID(instance: instance, sequence: last), by: last),
            ]
            singles += ending
            runs += ending
            data.append(DatumID(instance: instance, sequence: last))
        }
    }

    private mutating func add(_ calls: [Call], of instance: Int, _ numbers: inout Numbers) {
        singles += calls.map { invocation(instance, $0.sequence, input: $0.input) }
        for part in Self.parts(calls, &numbers) {
            let stride = part.count > 1 ? part[1].input.rawValue &- part[0].input.rawValue : 1
            let isProgression = stride < 1000 && zip(part, part.dropFirst()).allSatisfy { $1.input.rawValue &- $0.input.rawValue == stride }
            let times = part.map { CallRun.Time(start: start + Int64($0.sequence) * 1_000_000_000, duration: 500_000_000) }
            runs.append(
                .calls(
                    CallRun(
                        instance: instance, first: part[0].sequence, count: UInt64(part.count), inputPort: 0,
                        inputs: isProgression ? .progression(first: part[0].input, stride: stride) : .list(part.map(\.input)),
                        times: Bool.random(using: &numbers) ? times : [], start: times[0].start,
                        end: times[part.count - 1].start + 500_000_000, timed: UInt64(part.count),
                        timedDuration: UInt64(part.count) * 500_000_000)))
        }
    }

    private mutating func add(_ written: [Written], _ numbers: inout Numbers) {
        data += written.map(\.datum)
        singles += written.map { StorageTests.datum($0.datum, by: $0.writer == .max ? nil : $0.writer) }
        for part in Self.parts(written, &numbers) {
            let least = part.map(\.writer).min() ?? 0
            let distances = part.map { UInt32(truncatingIfNeeded: $0.writer - least) }
            let writers: DataRun.Writers =
                if part[0].writer == .max {
                    .none
                } else if distances.allSatisfy({ $0 == 0 }) {
                    .one(least)
                } else if distances == (0..<UInt32(part.count)).map({ $0 }) {
                    .each(from: least)
                } else {
                    .distances(from: least, distances)
                }
            runs.append(
                .data(
                    DataRun(
                        first: part[0].datum, count: UInt64(part.count), origin: part[0].datum.isRunInput ? .runInput : .sent, port: 0,
                        writers: writers, size: UInt64(part.count) * 10, firstAt: start, lastAt: start)))
        }
    }

    private static func parts<Element>(_ all: [Element], _ numbers: inout Numbers) -> [ArraySlice<Element>.SubSequence] {
        var parts: [ArraySlice<Element>] = []
        var rest = all[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...max(1, rest.count), using: &numbers)
            parts.append(Array(rest.prefix(count))[...])
            rest = rest.dropFirst(count)
        }
        return parts
    }
}

@Suite struct RunsOfCallsTests {
    private struct Answers: Equatable {
        var summary: [[InstanceSummary]]
        var data: [DatumRecord]
        var ofReader: [DatumRecord]
        var traces: [DatumID: [[TraceDirection: Set<[String]>]]]
    }

    /// Everything that can be asked, without the run's name.
    private func answers(_ storage: Storage, _ records: [SegmentRecord], about data: [DatumID]) async throws -> Answers {
        let run = try await storage.startedRun()
        try await storage.store(run, records.shuffledRecords())
        func nameless(_ record: DatumRecord) -> DatumRecord {
            var record = record
            record.id.run = RunID(milliseconds: 0, random: [UInt8](repeating: 0, count: 10))
            return record
        }
        var traces: [DatumID: [[TraceDirection: Set<[String]>]]] = [:]
        for datum in data {
            for direction in TraceDirection.allCases {
                let reference = DatumReference(run: run, attempt: 1, datum: datum)
                let trace = try #require(try await storage.trace(reference, direction: direction, depth: 10), "\(datum)")
                let steps = Set(
                    trace.steps.map { step in
                        ["\(step.depth)", "\(step.datum.id.datum)"] + step.related.map(\.datum.description).sorted()
                    })
                traces[datum, default: []].append([direction: steps])
            }
        }
        return Answers(
            summary: try await storage.provenanceSummary(run, attempt: nil).elements.map(\.instances),
            data: try await allPages(size: 7) { try await storage.data(run, attempt: nil, element: nil, page: $0) }.map(nameless),
            ofReader: try await allPages(size: 3) { try await storage.data(run, attempt: nil, element: "CountWords", page: $0) }.map(
                nameless),
            traces: traces)
    }

    /// The same history, recorded call by call and in runs, answers every question alike.
    @Test(arguments: 0..<12) func runsAnswerAsSingleRecordsDo(seed: UInt64) async throws {
        let (storage, pool) = try await freshStorage()
        let history = History(seed: seed)
        var numbers = Numbers(state: seed)
        let sample = history.data.shuffled(using: &numbers).prefix(25)
        let singles = try await answers(storage, history.singles, about: Array(sample))
        #expect(try await pool.count("invocation_run") == 0)
        let runs = try await answers(storage, history.runs, about: Array(sample))
        #expect(try await pool.count("invocation_run") > 0)
        #expect(runs.data == singles.data)
        #expect(runs.ofReader == singles.ofReader)
        #expect(runs.traces == singles.traces)
        // Single calls are counted by their own times; where a run has none of each call there are no percentiles of them.
        func comparable(_ summary: [[InstanceSummary]]) -> [[InstanceSummary]] {
            summary.map {
                $0.map {
                    var instance = $0
                    (instance.medianSeconds, instance.p95Seconds) = (nil, nil)
                    return instance
                }
            }
        }
        #expect(comparable(runs.summary) == comparable(singles.summary))
    }

    @Test func aMillionCallsAreOneRow() async throws {
        let (storage, pool) = try await freshStorage()
        let run = try await storage.startedRun()
        let count: UInt64 = 1_000_000
        let item = DatumID(inputOf: 0, sequence: 0)
        try await storage.store(
            run,
            [
                datum(item, by: nil), invocation(0, 0, input: item),
                .data(
                    DataRun(
                        first: DatumID(instance: 0, sequence: 0), count: count, origin: .kept, port: 0, writers: .one(0),
                        size: 3 * count + 2,
                        firstAt: start, lastAt: start + 999_999_000_000)),
                .calls(
                    CallRun(
                        instance: 1, first: 0, count: count, inputPort: 0,
                        inputs: .progression(first: DatumID(instance: 0, sequence: 0), stride: 1), start: start, end: start + 1_000_000_000,
                        timed: 10, timedDuration: 20_000)),
                .data(
                    DataRun(
                        first: DatumID(instance: 1, sequence: 0), count: count, origin: .sent, port: 0, writers: .each(from: 0),
                        size: 8 * count, firstAt: start, lastAt: start)),
            ])
        #expect(try await pool.count("invocation_run") == 1)
        #expect(try await pool.count("datum_run") == 2)
        let summary = try await storage.provenanceSummary(run, attempt: nil)
        let counter = summary.elements[1].instances[0]
        #expect(counter.invocations == 1_000_000 && counter.dataIn == 1_000_000 && counter.dataOut == 1_000_000)
        #expect(counter.busySeconds == 2 && counter.bytesOut == 8_000_000)
        #expect(counter.firstAt == noon && counter.lastAt == noon + 1)
        #expect(summary.elements[0].instances[0].bytesOut == 3_000_002)
        // A page in the middle of a run, and one over its end.
        let second = try await storage.data(
            run, attempt: nil, element: "Read0", page: PageRequest(size: 2, cursor: Cursor.text(.data, "499998")))
        #expect(second.items.map(\.id.datum.sequence) == [499_999, 500_000])
        #expect(second.items.map(\.size) == [3, 3])
        #expect(abs(second.items[0].at.timeIntervalSince(noon + 499.999)) < 1e-5)
        let over = try await storage.data(run, attempt: nil, element: nil, page: PageRequest(size: 3, cursor: Cursor.text(.data, "999997")))
        #expect(
            over.items.map(\.id.datum) == [
                DatumID(instance: 0, sequence: 999_998), DatumID(instance: 0, sequence: 999_999), DatumID(instance: 1, sequence: 0),
            ])
        let end = Cursor.text(.data, "\(Int64.max)")
        #expect(try await storage.data(run, attempt: nil, element: nil, page: PageRequest(cursor: end)).items.isEmpty)
        let reference = DatumReference(run: run, attempt: 1, datum: DatumID(instance: 1, sequence: 777_777))
        let back = try #require(try await storage.trace(reference, direction: .back, depth: 10))
        #expect(back.steps.map(\.datum.id.datum) == [reference.datum, DatumID(instance: 0, sequence: 777_777), item])
        let all = try #require(
            try await storage.trace(DatumReference(run: run, attempt: 1, datum: item), direction: .forward, depth: 1, limit: 100))
        #expect(all.steps.count == 100 && all.truncated)
    }

    /// Inputs of several producers in one list, as a consumer with a busy inbox records them.
    @Test func aLongListOfInputsIsKeptInFewRows() async throws {
        let (storage, pool) = try await freshStorage()
        let run = try await storage.startedRun()
        let inputs = (0..<100_000).map { DatumID(instance: $0 / 500 % 4 + 3, sequence: UInt64($0 / 2000 * 500 + $0 % 500)) }
        try await storage.store(
            run,
            [
                .calls(
                    CallRun(
                        instance: 1, first: 10, count: 100_000, inputPort: 0, inputs: .list(inputs), start: start, end: start, timed: 0,
                        timedDuration: 0)),
                .data(
                    DataRun(
                        first: DatumID(instance: 1, sequence: 0), count: 100_000, origin: .sent, port: 0, writers: .each(from: 10), size: 0,
                        firstAt: start, lastAt: start)),
            ]
                + (3...6).map {
                    .data(
                        DataRun(
                            first: DatumID(instance: $0, sequence: 0), count: 25_000, origin: .sent, port: 0, writers: .none, size: 0,
                            firstAt: start, lastAt: start))
                })
        #expect(try await pool.count("invocation_run") == 200)
        for index in [0, 499, 500, 1023, 1024, 55_555, 99_999] {
            let result = DatumID(instance: 1, sequence: UInt64(index))
            let back = try #require(
                try await storage.trace(DatumReference(run: run, attempt: 1, datum: result), direction: .back, depth: 9))
            #expect(back.steps.map(\.datum.id.datum) == [result, inputs[index]])
            let forward = try #require(
                try await storage.trace(DatumReference(run: run, attempt: 1, datum: inputs[index]), direction: .forward, depth: 9))
            #expect(forward.steps.map(\.datum.id.datum) == [inputs[index], result])
        }
    }

    @Test func callsThatReadTheSameDatumAreFound() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        let line = DatumID(instance: 0, sequence: 3)
        try await storage.store(
            run,
            [
                datum(line, by: nil),
                .calls(
                    CallRun(
                        instance: 1, first: 0, count: 2, inputPort: 0, inputs: .progression(first: line, stride: 0), start: start,
                        end: start,
                        timed: 0, timedDuration: 0)), datum(DatumID(instance: 1, sequence: 0), by: 0),
                datum(DatumID(instance: 1, sequence: 1), by: 1),
            ])
        let trace = try #require(
            try await storage.trace(DatumReference(run: run, attempt: 1, datum: line), direction: .forward, depth: 1))
        #expect(trace.steps.count == 3)
    }

    @Test func theProfileTellsWhatIsNotRecorded() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        func profile(_ calls: Int64) -> SegmentRecord {
            .profile(
                instance: 1,
                InstanceProfile(
                    calls: calls, itemsIn: calls, itemsOut: 7, bytesOut: 70, busy: 2_500_000_000, blocked: 500_000_000, sampled: 2,
                    p50: 1_000_000,
                    p95: 3_000_000, skipped: 3, retried: 4, changed: ["total", "a\0b"]))
        }
        try await storage.store(run, [profile(50), invocation(1, 0, input: nil, kind: .preprocess)])
        try await storage.store(run, [profile(90), profile(100)])
        let instance = try await storage.provenanceSummary(run, attempt: nil).elements[1].instances[0]
        #expect(
            instance
                == InstanceSummary(
                    instance: 1, rank: 0, invocations: 101, failed: 0, skipped: 3, retried: 4, dataIn: 100, dataOut: 7, bytesOut: 70,
                    busySeconds: 2.5, blockedSeconds: 0.5, medianSeconds: 0.001, p95Seconds: 0.003, changed: ["total", "a\u{FFFD}b"],
                    firstAt: noon, lastAt: noon + 0.5))
        #expect(try await storage.run(run, visibleTo: nil)?.skipped == 3)
    }

    @Test func failedAndSkippedCallsAreListedAndCounted() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        let lines = (0..<9).map { DatumID(instance: 0, sequence: $0) }
        try await storage.store(
            run,
            (0..<8).map { invocation(1, $0, input: lines[Int($0)], outcome: $0 % 2 == 0 ? .skipped : .ok) } + [
                invocation(1, 8, input: lines[8], outcome: .failed), invocation(0, 3, input: nil, kind: .preprocess, outcome: .failed),
            ])
        try await storage.store(run, [invocation(2, 0, input: lines[1], outcome: .skipped)])
        let all = try await allPages(size: 2) { try await storage.failedInvocations(run, attempt: nil, outcome: nil, page: $0) }
        #expect(all.map(\.instance) == [0, 1, 1, 1, 1, 1, 2])
        #expect(
            all[1]
                == FailedInvocation(
                    element: "CountWords1", instance: 1, rank: 0, sequence: 0, kind: "process", outcome: .skipped,
                    datum: DatumReference(run: run, attempt: 1, datum: lines[0]), port: "line", startedAt: noon, seconds: 0.5))
        #expect(all[0].kind == "preprocess" && all[0].datum == nil && all[0].port == nil && all[6].rank == 1)
        let failed = try await storage.failedInvocations(run, attempt: 1, outcome: .failed, page: PageRequest())
        #expect(failed.items.map(\.sequence) == [3, 8])
        let skipped = try await allPages(size: 2) { try await storage.failedInvocations(run, attempt: 1, outcome: .skipped, page: $0) }
        #expect(skipped.map(\.datum?.datum) == [lines[0], lines[2], lines[4], lines[6], lines[1]])
        #expect(try await storage.run(run, visibleTo: nil)?.skipped == 5)
        let summary = try await storage.provenanceSummary(run, attempt: nil)
        #expect(summary.elements.map { $0.instances.map(\.skipped) } == [[0], [4, 1]])
        #expect(summary.elements.map { $0.instances.map(\.failed) } == [[1], [1, 0]])
        // Another attempt has its own.
        _ = try await storage.requestCancel(run, at: noon)
        _ = try await storage.retry(run, at: noon)
        #expect(try await storage.run(run, visibleTo: nil)?.skipped == 0)
        #expect(try await storage.failedInvocations(run, attempt: nil, outcome: nil, page: PageRequest()).items.isEmpty)
    }

    /// A hundred thousand spans of a hundred calls, of ten instances in a chain: ten million calls.
    @Test func aTraceOverManyRunsIsFast() async throws {
        let (storage, pool) = try await freshStorage()
        let run = try await storage.startedRun()
        try await pool.run { connection in
            try connection.script(
                """
                SET statement_timeout = 0;
                INSERT INTO datum_run SELECT attempt.id, i, i::bigint << 48 | n * 100, i::bigint << 48 | n * 100 + 99, 0, 0,
                        n * 100, n * 100 + 99, 1, 1, NULL, 1000, now(), now()
                    FROM attempt, generate_series(0, 9) AS i, generate_series(0, 9999) AS n;
                INSERT INTO invocation_run SELECT attempt.id, i, n * 100, n * 100 + 99, 0, (i - 1)::bigint << 48 | n * 100,
                        (i - 1)::bigint << 48 | n * 100 + 99, 1, 1, NULL, now(), now(), 0, 0
                    FROM attempt, generate_series(1, 9) AS i, generate_series(0, 9999) AS n
                """)
        }
        for direction in TraceDirection.allCases {
            let start = DatumReference(run: run, attempt: 1, datum: DatumID(instance: direction == .back ? 9 : 0, sequence: 471_123))
            // The fastest of a few: other tests run at the same time.
            var fastest = Duration.seconds(60)
            for _ in 0..<5 {
                let began = ContinuousClock.now
                let trace = try #require(try await storage.trace(start, direction: direction, depth: 1000))
                fastest = min(fastest, ContinuousClock.now - began)
                #expect(trace.steps.count == 10 && !trace.truncated)
            }
            #expect(fastest < .seconds(1), "\(direction) took \(fastest)")
        }
    }

    /// What an earlier release recorded is there after the upgrade, beside what comes then.
    @Test func aDatabaseOfTheFirstReleaseIsUpgraded() async throws {
        let server = try await PrivatePostgres.shared
        let pool = ConnectionPool(
            conninfo: server.conninfo(database: try await server.createDatabase()), size: 2, longestWait: .seconds(60))
        let storage = Storage(pool: pool)
        try await pool.migrate(Array(Storage.migrations.prefix(1)))
        try await pool.run { connection in
            try connection.script(
                """
                INSERT INTO app_user (issuer, subject) VALUES ('https://id.example', 'alice');
                INSERT INTO namespace VALUES ('alice', 1);
                """)
            try connection.query(
                """
                INSERT INTO graph_version (namespace, name, version, digest, owner, registered_at, filename, graph, source, element_names,
                    element_texts) VALUES ('alice', 'words', '1', '', 1, now(), 'm.py', $1, '', '', '')
                """, [.text(String(decoding: try WireJSON.encode(wordCount), as: UTF8.self))])
            try connection.query(
                """
                INSERT INTO run (public_id, graph_version, owner, state, ranks, memory_per_rank, inputs, plan, submitted_at, request_digest)
                VALUES ('00000000-0000-7000-8000-000000000000', 1, 1, 'failed', 2, 100, '{"Read0": 2}', $1, now(), '')
                """, [.text(String(decoding: try WireJSON.encode(wordCountPlan), as: UTF8.self))])
            try connection.script(
                """
                INSERT INTO attempt (run, number, state, queued_at) VALUES (1, 1, 'failed', now());
                INSERT INTO datum VALUES (1, \(DatumID(inputOf: 0, sequence: 0).rawValue), 0, 2, 0, NULL, 2, now()), (1, 0, 0, 0, 0, 0, 9, now());
                INSERT INTO invocation VALUES (1, 0, 0, 0, false, \(DatumID(inputOf: 0, sequence: 0).rawValue), NULL, now(), 5),
                    (1, 1, 0, 0, true, 0, 0, now(), 5)
                """)
        }
        try await storage.migrate()
        let run = try #require(try await storage.runs(states: [], graph: nil, name: nil, owner: nil, page: PageRequest()).items.first)
        #expect(run.skipped == 0)
        let failed = try await storage.failedInvocations(run.id, attempt: nil, outcome: nil, page: PageRequest()).items
        #expect(failed.map(\.outcome) == [.failed] && failed.first?.datum?.datum == DatumID(instance: 0, sequence: 0))
        let line = DatumReference(run: run.id, attempt: 1, datum: DatumID(instance: 0, sequence: 0))
        #expect(try await storage.trace(line, direction: .back, depth: 5)?.steps.count == 2)
        let incomplete = try await storage.incompleteSourceItems(run.id, attempt: 1)
        #expect(incomplete.map(\.items) == [[0...1]])
        #expect(incomplete[0].reason(0) == "CountWords1 had not consumed 0.0")
        try await storage.store(run.id, [invocation(1, 1, input: line.datum, outcome: .skipped)])
        #expect(try await storage.run(run.id, visibleTo: nil)?.skipped == 1)
        #expect(try await storage.incompleteSourceItems(run.id, attempt: 1).map(\.items) == [[1...1]])
    }

    @Test(
        arguments: [(0, 0, 0), (0, 255, 1), (5, 5 + 255, 1), (0, 256, 2), (0, 65535, 2), (0, 65536, 3), (0, .max, 8)]
            as [(Int64, Int64, Int)])
    func levelsAreOfSpans(first: Int64, last: Int64, level: Int) { #expect(Span.level(from: first, to: last) == level) }
}

extension [SegmentRecord] {
    /// Nothing depends on the order in which records of different kinds are stored.
    fileprivate func shuffledRecords() -> Self { Array(reversed()) }
}
