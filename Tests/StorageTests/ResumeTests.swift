// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import Provenance
import Storage
import Testing
import WorkflowModel

private let (read, half, write) = (0, 1, 3)

/// Read (0) -> two instances of Half (1, 2) -> Write (3), whose output is a result of the run.
private func graph(_ change: (inout ProcessElement) -> Void = { _ in }) -> WorkflowGraph {
    var writer = ProcessElement(id: "Write2", name: "Write", inputs: [InputPort(name: "input")], outputs: ["output"])
    change(&writer)
    return WorkflowGraph(
        elements: [
            ProcessElement(id: "Read0", name: "Read", outputs: ["output"]),
            ProcessElement(id: "Half1", name: "Half", inputs: [InputPort(name: "input")], outputs: ["output"], stateful: false), writer,
        ],
        edges: [
            Edge(from: "Read0", output: "output", to: "Half1", input: "input"),
            Edge(from: "Half1", output: "output", to: "Write2", input: "input"),
        ])
}

private let plan = Plan(
    layout: .spread, ranksRequested: 1, ranks: 1,
    stages: [0, 1, 2].map { Stage(elements: [$0], workers: $0 == 1 ? 2 : 1, reasons: []) },
    workers: [(0, 0), (1, 0), (1, 1), (2, 0)].map { Worker(stage: $0.0, replica: $0.1, rank: 0) }, firstInstances: [0, 1, 3],
    reasons: [])

/// What one attempt records: data are numbered as their writers write them.
private struct Records {
    enum End { case complete, written, failed, unread, skipped }

    var records: [SegmentRecord] = []
    private var calls: [Int: UInt64] = [:]
    private var data: [Int: UInt64] = [:]

    init(changed: [String]? = []) {
        for instance in [read, write] {
            records.append(.profile(instance: instance, InstanceProfile(changed: instance == write ? changed : [])))
        }
    }

    mutating func process(_ item: Int, _ end: End) {
        let item = UInt64(item)
        guard let first = call(read, DatumID(inputOf: read, sequence: item)) else { return }
        guard let second = call(half + Int(item % 2), first, end == .skipped ? .skipped : .ok), end != .unread else { return }
        switch end {
        case .failed: _ = call(write, second, .failed)
        case .written: result(datum(write, by: next(write)), item)
        case .complete: if let third = call(write, second) { result(third, item) }
        case .unread, .skipped: break
        }
    }

    mutating func other(_ kind: InvocationRecord.Kind, of instance: Int, result value: UInt64?) {
        let sequence = next(instance)
        records.append(invocation(instance, sequence, input: nil, kind: kind))
        if let value { result(datum(instance, by: sequence), value) }
    }

    private mutating func call(_ instance: Int, _ input: DatumID, _ outcome: InvocationRecord.Outcome = .ok) -> DatumID? {
        let sequence = next(instance)
        records.append(invocation(instance, sequence, input: input, outcome: outcome))
        return outcome == .ok ? datum(instance, by: sequence) : nil
    }

    private mutating func next(_ instance: Int) -> UInt64 {
        defer { calls[instance, default: 0] += 1 }
        return calls[instance, default: 0]
    }

    private mutating func datum(_ instance: Int, by sequence: UInt64) -> DatumID {
        let id = DatumID(instance: instance, sequence: data[instance, default: 0])
        data[instance, default: 0] += 1
        records.append(StorageTests.datum(id, by: sequence))
        return id
    }

    private mutating func result(_ id: DatumID, _ value: UInt64) { records.append(.result(datum: id, port: 0, json: "\(value)")) }
}

@Suite struct ResumeTests {
    private func start(_ graph: WorkflowGraph = graph(), items: Int = 6) async throws -> (storage: Storage, run: RunID) {
        let (storage, _) = try await freshStorage()
        let registered = try await storage.register(registration("alice/halves", graph: graph))
        let run = try await storage.create(
            NewRun(
                id: newRunID(), name: nil, graph: registered.reference, owner: alice,
                resources: ResourceRequest(ranks: 1, memoryPerRank: 1),
                inputs: ["Read0": .count(items)], plan: plan, submittedAt: noon))
        return (storage, run.id)
    }

    private func fail(_ run: RunID, attempt: Int, _ records: [SegmentRecord], in storage: Storage) async throws {
        for (before, after) in [(RunState.queued, RunState.starting), (.starting, .running)] {
            #expect(try await storage.transition(run, from: [before], to: after, at: noon))
        }
        #expect(
            try await storage.ingest(run, attempt: attempt, rank: 0, from: 0, to: 100, ended: false, records: records))
        #expect(try await storage.transition(run, from: [.running], to: .failed, at: noon))
    }

    private func results(_ run: RunID, attempt: Int? = nil, in storage: Storage) async throws -> [String] {
        let results = try await allPages(size: 2) { try await storage.results(run, attempt: attempt, page: $0) }
        return try results.map { "\($0.datum.attempt): \(String(decoding: try WireJSON.encode($0.value), as: UTF8.self))" }.sorted()
    }

    private func resume(_ run: RunID, in storage: Storage, dryRun: Bool = false) async throws -> ResumePlan {
        let outcome = try await storage.resume(run, checkpoint: nil, at: noon, dryRun: dryRun)
        guard case .resumed(let plan) = outcome else { throw Unexpected(description: "\(outcome)") }
        return plan
    }

    /// Write keeps state and gives snapshots.
    @Test func anAttemptGoesOnFromTheLastCheckpoint() async throws {
        let (storage, run) = try await start(graph { ($0.stateful, $0.snapshotEvery) = (true, 30) })
        var first = Records(changed: nil)
        first.other(.preprocess, of: write, result: 100)
        for item in 0..<5 { first.process(item, item == 4 ? .failed : .complete) }
        try await fail(run, attempt: 1, first.records, in: storage)

        func resume(from checkpoint: Checkpoint?, dryRun: Bool = false) async throws -> ResumePlan {
            let outcome = try await storage.resume(run, checkpoint: checkpoint, at: noon, dryRun: dryRun)
            guard case .resumed(let plan) = outcome else { throw Unexpected(description: "\(outcome)") }
            return plan
        }
        let anew = try await resume(from: nil, dryRun: true)
        #expect(anew.replayed == ["Read0": [ItemRange(first: 0, count: 6)]])
        #expect(anew.parts.map(\.reason) == ["attempt 1 came to no checkpoint at which what PEs keep was saved"])
        let checkpoint = Checkpoint(folder: "/runs/1/checkpoints", number: 2, items: ["Read0": 3])
        let plan = try await resume(from: checkpoint)
        // Item 3 was processed too, but what Write keeps does not hold it.
        #expect(plan.replayed == ["Read0": [ItemRange(first: 3, count: 3)]])
        #expect(plan.parts.map(\.reason) == ["what PEs keep was saved before, at checkpoint 2"])
        let restored = RestoredState(folder: "/runs/1/checkpoints", checkpoint: 2)
        #expect(try await storage.document(run)?.restored == restored)
        #expect(try await results(run, in: storage) == ["1: 0", "1: 1", "1: 100", "1: 2"])

        // The next attempt comes to no checkpoint of its own: it counts for nothing, and the one after it begins as it did.
        var second = Records(changed: nil)
        second.other(.preprocess, of: write, result: nil)
        for item in 3..<5 { second.process(item, .complete) }
        try await fail(run, attempt: 2, second.records, in: storage)
        #expect(try await resume(from: nil).replayed == plan.replayed)
        #expect(try await storage.document(run)?.restored == restored)
        #expect(try await results(run, in: storage) == ["1: 0", "1: 1", "1: 100", "1: 2"])

        // One that does counts as far as that.
        try await fail(run, attempt: 3, second.records, in: storage)
        let last = try await resume(from: Checkpoint(folder: "/runs/3/checkpoints", number: 1, items: ["Read0": 1]))
        #expect(last.replayed == ["Read0": [ItemRange(first: 4, count: 2)]])
        #expect(try await storage.document(run)?.restored == RestoredState(folder: "/runs/3/checkpoints", checkpoint: 1))
        #expect(try await results(run, in: storage) == ["1: 0", "1: 1", "1: 100", "1: 2", "3: 3"])
    }

    @Test func onlyWhatDidNotComeToItsEndIsProcessedAgain() async throws {
        let (storage, run) = try await start()
        var first = Records()
        for (item, end) in [Records.End.complete, .written, .complete, .failed, .unread].enumerated() { first.process(item, end) }
        try await fail(run, attempt: 1, first.records, in: storage)
        #expect(try await results(run, in: storage) == ["1: 0", "1: 1", "1: 2"])

        let planned = try await resume(run, in: storage, dryRun: true)
        #expect(planned.attempt == 1 && planned.resumption == Resumption(items: 4, of: 6))
        #expect(
            planned.replayed == ["Read0": [ItemRange(first: 1, count: 1), ItemRange(first: 3, count: 3)]])
        #expect(
            planned.parts.map(\.reason) == [
                "Write2 had not consumed what came of them, first 2.0", "Read0 had not consumed in0.5",
            ])
        #expect(try await storage.state(of: run)?.state == .failed, "a dry run changes nothing")

        #expect(try await resume(run, in: storage) == planned)
        let resumed = try #require(try await storage.run(run, visibleTo: alice))
        #expect(resumed.state == .queued && resumed.attempts.map(\.resumed) == [nil, Resumption(items: 4, of: 6)])
        #expect(try await storage.document(run)?.replayed == planned.replayed)
        #expect(try await storage.document(run)?.inputs == ["Read0": .count(6)])
        #expect(try await results(run, in: storage) == ["1: 0", "1: 2"])
        #expect(try await results(run, attempt: 1, in: storage) == ["1: 0", "1: 1", "1: 2"], "nothing recorded is lost")
    }

    @Test func attemptsThatResumeOneAnotherAreOne() async throws {
        let (storage, run) = try await start()
        var first = Records()
        for (item, end) in [Records.End.complete, .written, .complete, .failed].enumerated() { first.process(item, end) }
        try await fail(run, attempt: 1, first.records, in: storage)
        _ = try await resume(run, in: storage)
        var second = Records()
        for (item, end) in [(1, Records.End.complete), (3, .unread), (4, .complete), (5, .written)] { second.process(item, end) }
        try await fail(run, attempt: 2, second.records, in: storage)

        let planned = try await resume(run, in: storage)
        #expect(planned.attempt == 2 && planned.resumption == Resumption(items: 2, of: 6))
        #expect(planned.replayed == ["Read0": [ItemRange(first: 3, count: 1), ItemRange(first: 5, count: 1)]])
        #expect(try await results(run, in: storage) == ["1: 0", "1: 2", "2: 1", "2: 4"])
        #expect(try await results(run, attempt: 2, in: storage) == ["2: 1", "2: 4", "2: 5"])
        var third = Records()
        for item in [3, 5] { third.process(item, .complete) }
        try await fail(run, attempt: 3, third.records, in: storage)
        #expect(try await results(run, in: storage) == ["1: 0", "1: 2", "2: 1", "2: 4", "3: 3", "3: 5"])

        // Nothing is left to do.
        let nothing = try await resume(run, in: storage)
        #expect(nothing.parts.isEmpty && nothing.resumption == Resumption(items: 0, of: 6))
        #expect(try await storage.document(run)?.replayed == [:])
        #expect(try await results(run, in: storage).count == 6)

        // A plain retry has nothing to do with the others.
        #expect(try await storage.requestCancel(run, at: noon) == .cancelled)
        #expect(try await storage.retry(run, at: noon) == 5)
        #expect(try await storage.document(run)?.replayed == nil)
        #expect(try await results(run, in: storage) == [])
    }

    @Test func anAttemptThatNeverRanIsResumedWhole() async throws {
        let (storage, run) = try await start()
        #expect(try await storage.resume(run, checkpoint: nil, at: noon, dryRun: false) == .notRetriable(.queued))
        #expect(try await storage.requestCancel(run, at: noon) == .cancelled)
        #expect(try await resume(run, in: storage).replayed == ["Read0": [ItemRange(first: 0, count: 6)]])
    }

    @Test func whatPreprocessAndPostprocessWroteIsLeftToTheNewAttempt() async throws {
        let (storage, run) = try await start(graph { $0.stateful = false })
        var first = Records()
        first.other(.preprocess, of: write, result: 100)
        first.process(0, .complete)
        first.other(.postprocess, of: write, result: 200)
        try await fail(run, attempt: 1, first.records, in: storage)
        _ = try await resume(run, in: storage)
        #expect(try await results(run, in: storage) == ["1: 0"])
    }

    @Test func dataThatWereSkippedStaySkipped() async throws {
        let (storage, run) = try await start()
        var first = Records()
        first.process(0, .skipped)
        first.process(1, .skipped)
        first.process(2, .unread)
        // What else came of item 1 was not consumed.
        first.records.append(datum(DatumID(instance: read, sequence: 99), by: 1))
        try await fail(run, attempt: 1, first.records, in: storage)
        #expect(try await storage.run(run, visibleTo: alice)?.skipped == 2)
        #expect(try await resume(run, in: storage).replayed == ["Read0": [ItemRange(first: 1, count: 5)]])
        #expect(try await storage.run(run, visibleTo: alice)?.skipped == 1)
        var second = Records()
        second.process(1, .skipped)
        try await fail(run, attempt: 2, second.records, in: storage)
        #expect(try await storage.run(run, visibleTo: alice)?.skipped == 2)
    }

    @Test func aPEThatKeepsStateIsNamed() async throws {
        func expect(
            _ detail: String?, changed: [String]? = [], atEnd: UInt64? = nil, _ change: @escaping (inout ProcessElement) -> Void = { _ in }
        ) async throws {
            let (storage, run) = try await start(graph(change))
            var attempt = Records(changed: changed)
            attempt.process(0, .complete)
            attempt.other(.postprocess, of: write, result: atEnd)
            try await fail(run, attempt: 1, attempt.records, in: storage)
            let outcome = try await storage.resume(run, checkpoint: nil, at: noon, dryRun: false)
            if let detail {
                #expect(outcome == .refused(attempt: 1, [ResumeObstacle(element: "Write2", detail: detail)]))
                #expect(try await storage.state(of: run)?.attempt == 1)
            } else {
                guard case .resumed = outcome else { throw Unexpected(description: "\(outcome)") }
            }
        }
        try await expect(nil)
        try await expect("declares stateful = True") { $0.stateful = true }
        try await expect("changed its total in process(), and does not declare stateful", changed: ["total"])
        try await expect(nil, changed: ["total"]) { $0.stateful = false }
        try await expect("wrote data in postprocess(), and does not declare stateful", atEnd: 1)
        try await expect(nil, atEnd: 1) { $0.stateful = false }
        try await expect("ended before it was seen whether its calls change it, and does not declare stateful", changed: nil)
        let grouped = "has an input 'input' that is grouped (all), as of a PE that keeps state, and does not declare stateful"
        try await expect(grouped, changed: nil) { $0.inputs[0].grouping = .all }
        try await expect(nil, changed: nil) {
            $0.inputs[0].grouping = .all
            $0.stateful = false
        }
        try await expect("is a program with ranks of its own, of which no items are known") { $0.application = .mpi }
        try await expect("keeps what it has read until the end", changed: nil) {
            $0.stateful = true
            $0.native = NativeOperation(operation: "count")
        }
    }
}
