// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Postgres
import Provenance
import Storage
import Testing
import WorkflowModel

private func input(_ sequence: UInt64) -> DatumID { DatumID(inputOf: 0, sequence: sequence) }
private func line(_ sequence: UInt64) -> DatumID { DatumID(instance: 0, sequence: sequence) }
private func count(_ sequence: UInt64, instance: Int = 1) -> DatumID { DatumID(instance: instance, sequence: sequence) }

/// Read0 makes lines 0…3 of input 0; lines 0, 2 go to instance 1, lines 1, 3 to instance 2; each emits in `postprocess` one
/// datum, and instance 1 one while it processes, derived from line 0 too.
private let records: [[SegmentRecord]] = [
    [
        datum(input(0), by: nil), .attributes(datum: input(0), json: #"{"value": {"path": "corpus.txt"}}"#),
        invocation(0, 0, input: nil, kind: .preprocess), invocation(0, 1, input: input(0)),
        datum(line(0), by: 1), datum(line(1), by: 1), datum(line(2), by: 1), datum(line(3), by: 1),
        invocation(1, 0, input: line(0)), invocation(1, 1, input: line(2)), datum(count(0), by: 1, size: 7),
        .derivation(datum: count(0), source: line(0)), .attributes(datum: count(0), json: #"{"format": "text/csv"}"#),
        invocation(1, 2, input: nil, kind: .postprocess), datum(count(1), by: 2),
    ],
    [
        invocation(2, 0, input: line(1)), invocation(2, 1, input: line(3), outcome: .failed),
        invocation(2, 2, input: nil, kind: .postprocess), datum(count(0, instance: 2), by: 2),
    ],
]

@Suite struct ProvenanceTests {
    private func recordedRun() async throws -> (Storage, RunID) {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        for (rank, records) in records.enumerated() { try await storage.store(run, rank: rank, records) }
        return (storage, run)
    }

    @Test func theSummaryCountsWhatEachInstanceDid() async throws {
        let (storage, run) = try await recordedRun()
        let summary = try await storage.provenanceSummary(run, attempt: nil)
        #expect(summary.run == run && summary.attempt == 1 && !summary.complete)
        #expect(summary.elements.map(\.element) == ["Read0", "CountWords1"])
        #expect(
            summary.elements[0].instances == [
                InstanceSummary(
                    instance: 0, rank: 0, invocations: 2, failed: 0, dataIn: 1, dataOut: 4, bytesOut: 40, busySeconds: 1,
                    medianSeconds: 0.5, p95Seconds: 0.5, firstAt: noon, lastAt: noon + 1.5)
            ])
        #expect(summary.elements[1].instances.map(\.rank) == [0, 1])
        #expect(summary.elements[1].instances.map(\.failed) == [0, 1])
        #expect(summary.elements[1].instances.map(\.dataIn) == [2, 2])
        #expect(summary.elements[1].instances.map(\.bytesOut) == [17, 10])
        for rank in 0..<2 {
            #expect(try await storage.ingest(run, attempt: 1, rank: rank, from: 100, to: 108, ended: true, records: []))
        }
        #expect(try await storage.provenanceSummary(run, attempt: 1).complete)
    }

    @Test func dataAreListedByElement() async throws {
        let (storage, run) = try await recordedRun()
        let all = try await allPages(size: 3) { try await storage.data(run, attempt: nil, element: nil, page: $0) }
        #expect(all.map(\.id.datum) == [line(0), line(1), line(2), line(3), count(0), count(1), count(0, instance: 2), input(0)])
        for name in ["CountWords", "CountWords1"] {
            let counts = try await storage.data(run, attempt: nil, element: name, page: PageRequest()).items
            #expect(counts.map(\.instance) == [1, 1, 2])
            #expect(
                counts[0]
                    == DatumRecord(
                        id: DatumReference(run: run, attempt: 1, datum: count(0)), element: "CountWords1", instance: 1, port: "counts",
                        size: 7, at: noon, attributes: ["format": "text/csv"]))
        }
        #expect(all.last?.port == "input" && all.last?.attributes == ["value": ["path": "corpus.txt"]])
        #expect(try await storage.data(run, attempt: nil, element: "Other", page: PageRequest()).items.isEmpty)
    }

    private func trace(
        _ storage: Storage, _ run: RunID, _ datum: DatumID, _ direction: TraceDirection, depth: Int = 10, limit: Int = 10_000
    ) async throws -> (steps: [Int: Set<DatumID>], related: [DatumID: Set<DatumID>], truncated: Bool) {
        let reference = DatumReference(run: run, attempt: 1, datum: datum)
        let trace = try #require(try await storage.trace(reference, direction: direction, depth: depth, limit: limit))
        #expect(trace.steps.first?.datum.id == reference)
        #expect(trace.steps.map(\.depth) == trace.steps.map(\.depth).sorted())
        return (
            Dictionary(trace.steps.map { ($0.depth, [$0.datum.id.datum]) }, uniquingKeysWith: { $0.union($1) }),
            Dictionary(uniqueKeysWithValues: trace.steps.map { ($0.datum.id.datum, Set($0.related.map(\.datum))) }), trace.truncated
        )
    }

    @Test func aTraceBackFollowsInputsAndDerivations() async throws {
        let (storage, run) = try await recordedRun()
        let (steps, related, truncated) = try await trace(storage, run, count(0), .back)
        #expect(steps == [0: [count(0)], 1: [line(2), line(0)], 2: [input(0)]])
        #expect(related == [count(0): [line(2), line(0)], line(0): [input(0)], line(2): [input(0)], input(0): []])
        #expect(!truncated)
    }

    @Test func whatPostprocessWroteIsDerivedFromAllItsInstanceConsumed() async throws {
        let (storage, run) = try await recordedRun()
        let back = try await trace(storage, run, count(0, instance: 2), .back)
        #expect(back.steps == [0: [count(0, instance: 2)], 1: [line(1), line(3)], 2: [input(0)]])
        let forward = try await trace(storage, run, line(3), .forward)
        #expect(forward.steps == [0: [line(3)], 1: [count(0, instance: 2)]])
    }

    @Test func aTraceForwardFindsEverythingMadeOfAnInput() async throws {
        let (storage, run) = try await recordedRun()
        let (steps, related, truncated) = try await trace(storage, run, input(0), .forward)
        #expect(
            steps == [
                0: [input(0)], 1: [line(0), line(1), line(2), line(3)], 2: [count(0), count(1), count(0, instance: 2)],
            ])
        #expect(related[line(0)] == [count(0), count(1)])
        #expect(!truncated)
    }

    @Test func limitsOfDepthAndSizeAreTold() async throws {
        let (storage, run) = try await recordedRun()
        let shallow = try await trace(storage, run, input(0), .forward, depth: 1)
        #expect(shallow.steps.keys.max() == 1 && shallow.truncated)
        let exact = try await trace(storage, run, input(0), .forward, depth: 2)
        #expect(exact.steps.keys.max() == 2 && !exact.truncated)
        let small = try await trace(storage, run, input(0), .forward, limit: 3)
        #expect(small.steps.values.map(\.count).reduce(0, +) == 3 && small.truncated)
        let none = try await trace(storage, run, input(0), .forward, depth: 0)
        #expect(none.steps == [0: [input(0)]] && none.truncated)
    }

    @Test func anUnknownDatumHasNoTrace() async throws {
        let (storage, run) = try await recordedRun()
        let reference = DatumReference(run: run, attempt: 1, datum: line(99))
        #expect(try await storage.trace(reference, direction: .back, depth: 1) == nil)
    }

    /// Ten hops over a million rows.
    @Test func aLongTraceOverMuchDataIsFast() async throws {
        let (storage, pool) = try await freshStorage()
        let run = try await storage.startedRun()
        // Chains of ten: datum n of instance i is made by its invocation n from datum n of instance i - 1.
        try await pool.run { connection in
            try connection.script(
                """
                SET statement_timeout = 0;
                INSERT INTO datum SELECT attempt.id, i::bigint << 48 | n, i, 0, 0, n, 10, now()
                    FROM attempt, generate_series(0, 9) AS i, generate_series(0, 99999) AS n;
                INSERT INTO invocation SELECT attempt.id, i, n, 0, CASE WHEN i > 0 THEN (i - 1)::bigint << 48 | n END, 0, now(), 1
                    FROM attempt, generate_series(0, 9) AS i, generate_series(0, 99999) AS n
                """)
        }
        for direction in TraceDirection.allCases {
            let start = DatumReference(run: run, attempt: 1, datum: DatumID(instance: direction == .back ? 9 : 0, sequence: 4711))
            // The fastest of a few: other tests run at the same time.
            var fastest = Duration.seconds(60)
            for _ in 0..<5 {
                let began = ContinuousClock.now
                let trace = try #require(try await storage.trace(start, direction: direction, depth: 1000))
                fastest = min(fastest, ContinuousClock.now - began)
                #expect(trace.steps.count == 10 && !trace.truncated)
            }
            #expect(fastest < .milliseconds(200), "\(direction) took \(fastest)")
        }
    }

    /// What `postprocess` wrote has a link to each of 40,000 data, and each of these two to the input, told twice.
    private func wideRun(_ storage: Storage, _ pool: ConnectionPool) async throws -> (run: RunID, result: DatumReference) {
        let run = try await storage.startedRun()
        try await storage.store(run, [datum(input(0), by: nil), invocation(0, 0, input: input(0))])
        try await storage.store(run, [invocation(1, 40_000, input: nil, kind: .postprocess), datum(count(0), by: 40_000)])
        try await pool.run { connection in
            try connection.script(
                """
                INSERT INTO datum SELECT attempt.id, n, 0, 0, 0, 0, 10, now() FROM attempt, generate_series(0, 39999) AS n;
                INSERT INTO derivation SELECT attempt.id, n, \(input(0).rawValue) FROM attempt, generate_series(0, 39999) AS n;
                INSERT INTO invocation SELECT attempt.id, 1, n, 0, n, 0, now(), 1 FROM attempt, generate_series(0, 39999) AS n
                """)
        }
        return (run, DatumReference(run: run, attempt: 1, datum: count(0)))
    }

    /// 120,000 links. Work that grew with their square would take minutes.
    @Test func aWideTraceTakesTimeInProportion() async throws {
        let (storage, pool) = try await freshStorage()
        let (run, result) = try await wideRun(storage, pool)
        let began = ContinuousClock.now
        let trace = try #require(try await storage.trace(result, direction: .back, depth: 10, limit: 50_000))
        let took = ContinuousClock.now - began
        #expect(took < .seconds(20), "\(took)")
        #expect(!trace.truncated)
        #expect(trace.steps.count == 40_002)
        #expect(trace.steps[0].related.map(\.datum).sorted { $0.rawValue < $1.rawValue } == (0..<40_000).map { line($0) })
        #expect(trace.steps[1...40_000].allSatisfy { $0.depth == 1 && $0.related.map(\.datum) == [input(0)] })
        #expect(trace.steps[40_001].datum.id == DatumReference(run: run, attempt: 1, datum: input(0)))
    }

    @Test func tracesLeaveConnectionsToOthers() async throws {
        let (storage, pool) = try await freshStorage(longestTraceWait: .milliseconds(200))
        let run = try await storage.startedRun()
        try await storage.store(run, records[0])
        let reference = DatumReference(run: run, attempt: 1, datum: input(0))
        let (locked, released) = (AsyncStream.makeStream(of: Void.self), DispatchSemaphore(value: 0))
        // One of four connections keeps the traces from going on.
        async let lock: Void = pool.transaction { connection in
            try connection.script("LOCK TABLE datum IN ACCESS EXCLUSIVE MODE")
            locked.continuation.finish()
            guard released.wait(timeout: .now() + 25) == .success else { throw Unexpected(description: "not released") }
        }
        for await _ in locked.stream {}
        try await withThrowingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    do {
                        return try await storage.trace(reference, direction: .forward, depth: 10)?.steps.count
                    } catch let problem as Problem where problem.kind == .unavailable {
                        return nil
                    }
                }
            }
            for _ in 0..<6 { #expect(try await group.next() == .some(nil)) }
            try await storage.ping()
            released.signal()
            for _ in 0..<2 { #expect(try await group.next() == 7) }
        }
        try await lock
        // All places are free again.
        for _ in 0..<3 { #expect(try await storage.trace(reference, direction: .forward, depth: 10) != nil) }
    }
}
