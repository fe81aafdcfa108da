// SPDX-License-Identifier: Apache-2.0

import Foundation
import Provenance
import Storage
import Testing
import WorkflowModel

/// Read (0) writes `lines`, which the Filters (1, 2) share, and `notes`; each of the Sums (3, 4) reads all that the Filters write,
/// and they share the notes.
private let graph = WorkflowGraph(
    elements: [
        ProcessElement(id: "Read0", name: "Read", outputs: ["lines", "notes", "unread"]),
        ProcessElement(id: "Filter1", name: "Filter", inputs: [InputPort(name: "input")], outputs: ["output"]),
        ProcessElement(
            id: "Sum2", name: "Sum",
            inputs: [InputPort(name: "numbers", grouping: .all), InputPort(name: "notes", grouping: .byKey([.index(0)]))],
            outputs: ["sum"]),
    ],
    edges: [
        Edge(from: "Read0", output: "lines", to: "Filter1", input: "input"),
        Edge(from: "Filter1", output: "output", to: "Sum2", input: "numbers"),
        Edge(from: "Read0", output: "notes", to: "Sum2", input: "notes"),
    ])

private let plan = Plan(
    layout: .spread, ranksRequested: 1, ranks: 1,
    stages: [0, 1, 2].map { Stage(elements: [$0], workers: $0 == 0 ? 1 : 2, reasons: []) },
    workers: [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)].map { Worker(stage: $0.0, replica: $0.1, rank: 0) }, firstInstances: [0, 1, 3],
    reasons: [])

private let (lines, notes, unread, output) = (0, 1, 2, 0)
private let (numbersPort, notesPort) = (0, 1)

private func item(_ number: UInt64) -> DatumID { DatumID(inputOf: 0, sequence: number) }

/// What happened, call by call.
private struct History {
    struct Call {
        var instance: Int
        var sequence: UInt64
        var input: DatumID
        var port: Int
        var outcome: InvocationRecord.Outcome
    }

    struct Written {
        var port: Int
        var instance: Int
        var writer: UInt64
    }

    var calls: [Call] = []
    var data: [DatumID: Written] = [:]
    var derivations: [(datum: DatumID, source: DatumID)] = []
    var postprocess: [(instance: Int, sequence: UInt64)] = []
    private var sequences: [Int: UInt64] = [:]
    private var written: [Int: UInt64] = [:]

    /// - Returns: what the call wrote.
    mutating func call(
        _ instance: Int, _ input: DatumID, port: Int = 0, _ outcome: InvocationRecord.Outcome = .ok, writes ports: [Int] = []
    ) -> [DatumID] {
        let sequence = sequences[instance, default: 0]
        sequences[instance] = sequence + 1
        calls.append(Call(instance: instance, sequence: sequence, input: input, port: port, outcome: outcome))
        return ports.map { write(instance, sequence, $0) }
    }

    mutating func end(_ instance: Int, writes ports: [Int]) -> [DatumID] {
        let sequence = sequences[instance, default: 0]
        sequences[instance] = sequence + 1
        postprocess.append((instance, sequence))
        return ports.map { write(instance, sequence, $0) }
    }

    private mutating func write(_ instance: Int, _ sequence: UInt64, _ port: Int) -> DatumID {
        let id = DatumID(instance: instance, sequence: written[instance, default: 0])
        written[instance, default: 0] += 1
        data[id] = Written(port: port, instance: instance, writer: sequence)
        return id
    }

    private var others: [SegmentRecord] {
        postprocess.map { invocation($0.instance, $0.sequence, input: nil, kind: .postprocess) }
            + derivations.map { .derivation(datum: $0.datum, source: $0.source) }
    }

    var singles: [SegmentRecord] {
        others
            + calls.map {
                .invocation(
                    InvocationRecord(
                        instance: $0.instance, sequence: $0.sequence, kind: .process, outcome: $0.outcome, input: $0.input,
                        inputPort: $0.port,
                        start: 0, duration: 0))
            }
            + data.map { id, written in
                .datum(WrittenDatum(id: id, origin: .sent, port: written.port, invocation: written.writer, size: 0, at: 0))
            }
    }

    /// Neighbours together, and as progressions where they are.
    var runs: [SegmentRecord] {
        var records = others
        var call = 0
        let ordered = calls.sorted { ($0.instance, $0.sequence) < ($1.instance, $1.sequence) }
        while call < ordered.count {
            let first = ordered[call]
            let run = ordered[call...].prefix { $0.instance == first.instance && $0.port == first.port && $0.outcome == .ok }
            if run.isEmpty {
                records.append(
                    .invocation(
                        InvocationRecord(
                            instance: first.instance, sequence: first.sequence, kind: .process, outcome: first.outcome, input: first.input,
                            inputPort: first.port, start: 0, duration: 0)))
                call += 1
                continue
            }
            let inputs = run.map(\.input)
            let stride = inputs.count > 1 ? inputs[1].rawValue &- inputs[0].rawValue : 1
            let isProgression = stride < 100 && zip(inputs, inputs.dropFirst()).allSatisfy { $1.rawValue &- $0.rawValue == stride }
            records.append(
                .calls(
                    CallRun(
                        instance: first.instance, first: first.sequence, count: UInt64(run.count), inputPort: first.port,
                        inputs: isProgression ? .progression(first: inputs[0], stride: stride) : .list(inputs), start: 0, end: 0, timed: 0,
                        timedDuration: 0)))
            call += run.count
        }
        var rest = data.sorted { $0.key.rawValue < $1.key.rawValue }[...]
        while let first = rest.first {
            let run = rest.enumerated().prefix {
                $1.key.rawValue == first.key.rawValue + UInt64($0) && $1.value.port == first.value.port
            }.map(\.element)
            let writers = run.map(\.value.writer)
            let least = writers.min() ?? 0
            let form: DataRun.Writers =
                if writers.allSatisfy({ $0 == least }) {
                    .one(least)
                } else if writers.enumerated().allSatisfy({ $1 == least + UInt64($0) }) {
                    .each(from: least)
                } else {
                    .distances(from: least, writers.map { UInt32($0 - least) })
                }
            records.append(
                .data(
                    DataRun(
                        first: first.key, count: UInt64(run.count), origin: .sent, port: first.value.port, writers: form, size: 0,
                        firstAt: 0,
                        lastAt: 0)))
            rest = rest.dropFirst(run.count)
        }
        return records
    }

    // MARK: The definition, word by word

    func isComplete(_ number: UInt64) -> Bool {
        calls.contains { $0.input == item(number) && $0.outcome != .failed } && isDone(item(number))
    }

    private func isConsumed(_ datum: DatumID) -> Bool {
        guard let written = data[datum] else { return true }
        func read(by instance: Int, _ port: Int) -> Bool {
            calls.contains { $0.input == datum && $0.instance == instance && $0.port == port && $0.outcome != .failed }
        }
        switch (written.instance, written.port) {
        case (0, lines): return read(by: 1, 0) || read(by: 2, 0)
        case (0, notes): return read(by: 3, notesPort) || read(by: 4, notesPort)
        case (1, _), (2, _): return read(by: 3, numbersPort) && read(by: 4, numbersPort)
        default: return true
        }
    }

    private func isDone(_ datum: DatumID) -> Bool {
        isConsumed(datum)
            && derivations.allSatisfy { $0.source != datum || isDone($0.datum) }
            && calls.allSatisfy { call in
                call.input != datum
                    || data.allSatisfy { id, written in
                        written.instance != call.instance
                            || written.writer != call.sequence && !postprocess.contains { $0 == (call.instance, written.writer) }
                            || isDone(id)
                    }
            }
    }
}

@Suite struct IncompleteTests {
    private func incomplete(_ records: [SegmentRecord], items: Int) async throws -> IncompleteItems {
        let (storage, _) = try await freshStorage()
        let registered = try await storage.register(registration("alice/sums", graph: graph))
        let run = try await storage.create(
            NewRun(
                id: newRunID(), name: nil, graph: registered.reference, owner: alice,
                resources: ResourceRequest(ranks: 1, memoryPerRank: 1),
                inputs: ["Read0": .count(items)], plan: plan, submittedAt: noon))
        try await storage.store(run.id, records)
        let sources = try await storage.incompleteSourceItems(run.id, attempt: nil)
        #expect(sources.map(\.element) == ["Read0"] && sources.map(\.instance) == [0])
        return try #require(sources.first)
    }

    /// Of both forms of record.
    private func expect(_ history: History, items: Int, are reasons: [UInt64: String], _ location: SourceLocation = #_sourceLocation)
        async throws
    {
        for records in [history.singles, history.runs] {
            let found = try await incomplete(records, items: items)
            let numbers = found.items.flatMap { Array($0) }
            let told = Dictionary(uniqueKeysWithValues: numbers.map { ($0, found.reason($0) ?? "") })
            #expect(told == reasons, sourceLocation: location)
        }
    }

    @Test func whatWasNeverBegunIsIncomplete() async throws {
        let found = try await incomplete([], items: 1 << 40)
        #expect(found.items == [0...(1 << 40 - 1)])
        #expect(found.reason(77) == "Read0 had not consumed in0.77" && found.reason(1 << 40) == nil)
        try await expect(History(), items: 0, are: [:])
    }

    @Test func itemsAreCompleteOnceAllThatCameOfThemIsConsumed() async throws {
        var history = History()
        for number in 0..<3 as Range<UInt64> {
            let written = history.call(0, item(number), writes: [lines, lines, unread])
            for (index, line) in written.prefix(2).enumerated() where (number, index) != (1, 1) {
                for result in history.call(1 + index, line, writes: [output]) where number < 2 {
                    for sum in 3...4 { _ = history.call(sum, result, port: numbersPort, writes: [0]) }
                }
            }
        }
        try await expect(
            history, items: 4,
            are: [
                1: "Filter1 had not consumed 0.4", 2: "Sum2 (instance 3) had not consumed 1.2", 3: "Read0 had not consumed in0.3",
            ])
    }

    @Test func allInstancesMustHaveReadWhatGoesToAll() async throws {
        var history = History()
        for number in 0..<2 as Range<UInt64> {
            for line in history.call(0, item(number), writes: [lines]) {
                for result in history.call(1, line, writes: [output]) {
                    for sum in 3...(number == 0 ? 4 : 3) { _ = history.call(sum, result, port: numbersPort) }
                }
            }
        }
        try await expect(history, items: 2, are: [1: "Sum2 (instance 4) had not consumed 1.1"])
    }

    @Test func failedCallsHaveNotConsumedAndSkippedOnesHave() async throws {
        var history = History()
        for (number, outcome) in [InvocationRecord.Outcome.ok, .failed, .skipped].enumerated() {
            for line in history.call(0, item(UInt64(number)), writes: [lines]) { _ = history.call(1, line, outcome) }
        }
        _ = history.call(0, item(3), .failed)
        _ = history.call(0, item(4), .skipped)
        try await expect(history, items: 5, are: [1: "Filter1 had not consumed 0.1", 3: "Read0 had not consumed in0.3"])
    }

    /// A datum at another input of its reader does not count.
    @Test func portsAreToldApart() async throws {
        var history = History()
        let note = history.call(0, item(0), writes: [notes])[0]
        _ = history.call(4, note, port: numbersPort)
        try await expect(history, items: 1, are: [0: "Sum2 had not consumed 0.0"])
        _ = history.call(4, note, port: notesPort)
        try await expect(history, items: 1, are: [:])
    }

    @Test func whatPostprocessWroteComesOfAllThatItsInstanceRead() async throws {
        var history = History()
        for number in 0..<4 as Range<UInt64> {
            for line in history.call(0, item(number), writes: [lines]) { _ = history.call(1 + Int(number % 2), line) }
        }
        let results = history.end(2, writes: [output])
        _ = history.call(3, results[0], port: numbersPort)
        let reason = "Sum2 (instance 4) had not consumed 2.0"
        try await expect(history, items: 4, are: [1: reason, 3: reason])
    }

    @Test func whatWasDerivedBesideTheInputCounts() async throws {
        var history = History()
        let first = history.call(0, item(0), writes: [lines])[0]
        let second = history.call(0, item(1), writes: [lines])[0]
        _ = history.call(1, first)
        let pair = history.call(1, second, writes: [output])[0]
        history.derivations.append((pair, first))
        let reason = "Sum2 (instance 3) had not consumed 1.0"
        try await expect(history, items: 2, are: [0: reason, 1: reason])
        for sum in 3...4 { _ = history.call(sum, pair, port: numbersPort) }
        try await expect(history, items: 2, are: [:])
    }

    private struct Numbers: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state ^ state >> 33) &* 0xFF51_AFD7_ED55_8CCD
        }
    }

    /// What is told of any history is what the definition says.
    @Test(arguments: 0..<15) func anyHistoryIsToldRightly(seed: UInt64) async throws {
        var numbers = Numbers(state: seed)
        func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &numbers) < percent }
        func outcome() -> InvocationRecord.Outcome { chance(96) ? .ok : chance(50) ? .failed : .skipped }
        var history = History()
        var filtered: [DatumID] = []
        var (linesWritten, notesWritten): ([DatumID], [DatumID]) = ([], [])
        for number in 0..<20 as Range<UInt64> where chance(95) {
            let ports = (0..<Int.random(in: 0...4, using: &numbers)).map { _ in chance(60) ? lines : chance(70) ? notes : unread }.sorted()
            for (id, port) in zip(history.call(0, item(number), outcome(), writes: ports), ports) {
                if port == lines { linesWritten.append(id) } else if port == notes { notesWritten.append(id) }
            }
        }
        for line in linesWritten where chance(95) {
            let outcome = outcome()
            let writes = [Int](repeating: output, count: outcome == .ok ? Int.random(in: 0...2, using: &numbers) : 0)
            let results = history.call(chance(60) ? 1 : 2, line, outcome, writes: writes)
            if let result = results.first, chance(10), let other = linesWritten.randomElement(using: &numbers) {
                history.derivations.append((result, other))
            }
            filtered += results
        }
        for filter in 1...2 where chance(20) { filtered += history.end(filter, writes: [output]) }
        if chance(30) { filtered.shuffle(using: &numbers) }
        for sum in 3...4 { for result in filtered where chance(96) { _ = history.call(sum, result, port: numbersPort, outcome()) } }
        for note in notesWritten where chance(95) { _ = history.call(chance(50) ? 3 : 4, note, port: notesPort) }

        let expected = (0..<20 as Range<UInt64>).filter { !history.isComplete($0) }
        for records in [history.singles, history.runs] {
            let found = try await incomplete(records, items: 20)
            #expect(found.items.flatMap { Array($0) } == expected)
            for number in 0..<20 as Range<UInt64> { #expect((found.reason(number) != nil) == expected.contains(number)) }
        }
    }

    /// Of fifty thousand lines the last thousand had not arrived.
    @Test func manyDataAreLookedAtInSeconds() async throws {
        let count: UInt64 = 50_000
        var records: [SegmentRecord] = []
        for first in stride(from: 0, to: count, by: 1000) {
            let line = DatumID(instance: 0, sequence: first)
            records.append(calls(0, first, DatumID(inputOf: 0, sequence: first)))
            records.append(data(line, from: first, port: lines))
            // In twos to the Filters: what each reads does not follow each other.
            for filter in 1...2 where first + 1000 < count {
                let own = (0..<500 as Range<UInt64>).map {
                    DatumID(instance: 0, sequence: first + $0 / 2 * 4 + $0 % 2 + UInt64(filter - 1) * 2)
                }
                let sequence = first / 2
                records.append(
                    .calls(
                        CallRun(
                            instance: filter, first: sequence, count: 500, inputPort: 0, inputs: .list(own), start: 0, end: 0, timed: 0,
                            timedDuration: 0)))
                records.append(data(DatumID(instance: filter, sequence: sequence), from: sequence, port: output, count: 500))
                for sum in 3...4 {
                    records.append(
                        .calls(
                            CallRun(
                                instance: sum, first: first + UInt64(filter - 1) * 500, count: 500, inputPort: numbersPort,
                                inputs: .progression(first: DatumID(instance: filter, sequence: sequence), stride: 1), start: 0, end: 0,
                                timed: 0, timedDuration: 0)))
                }
            }
        }
        let began = ContinuousClock.now
        let found = try await incomplete(records, items: Int(count))
        let took = ContinuousClock.now - began
        #expect(found.items == [count - 1000...count - 1])
        #expect(found.reason(count - 1) == "Filter1 had not consumed 0.49999")
        #expect(took < .seconds(60), "\(took)")
    }

    private func calls(_ instance: Int, _ first: UInt64, _ input: DatumID) -> SegmentRecord {
        .calls(
            CallRun(
                instance: instance, first: first, count: 1000, inputPort: nil, inputs: .progression(first: input, stride: 1), start: 0,
                end: 0, timed: 0, timedDuration: 0))
    }

    private func data(_ first: DatumID, from writer: UInt64, port: Int, count: UInt64 = 1000) -> SegmentRecord {
        .data(
            DataRun(
                first: first, count: count, origin: .sent, port: port, writers: .each(from: writer), size: 0, firstAt: 0, lastAt: 0))
    }
}
