// SPDX-License-Identifier: Apache-2.0

import Foundation
import NativeElements
import NativeHost
import Provenance
import StreamEngine
import Testing
import WorkflowModel

struct NativeHostTests {
    private static let table = "station,value\n" + (0..<3000).map { "S\($0 % 7),\($0)\n" }.joined()

    @Test(arguments: [1, 3])
    func graphOfSeveralStagesAndInstances(instances: Int) throws {
        let folder = try Folder()
        try folder.write(Self.table, to: "in.csv")
        let graph = Graph.chain([
            Graph.element("Read0", "csv", ["path": "in.csv"]),
            Graph.element("Even1", "filter", ["expression": "value % 2 == 0"]),
            Graph.element("Sum2", "sum", ["key": "station", "field": "value"]),
            Graph.element("Write3", "write_ndjson", ["path": "out.ndjson"]),
        ])
        let outcome = try Outcome.of(
            Graph.document(graph, stages: [([0, 1], 1), ([2], instances), ([3], 1)]), in: folder)
        let lines = try folder.read("out.ndjson").split(separator: "\n").map { try JSONReader.read(Array($0.utf8)) }
        var expected: [Value] = []
        for station in 0..<7 {
            let sum = stride(from: 0, to: 3000, by: 2).filter { $0 % 7 == station }.reduce(0, +)
            expected.append(.map(ValueMap([("station", .string("S\(station)")), ("sum", .int(Int64(sum)))])))
        }
        #expect(Set(lines) == Set(expected))
        #expect(outcome.results == ["\"\(folder.run.work)/out.ndjson\""])
        #expect(outcome.notes.filter { $0 == "ended" }.count == 2 + instances)
        #expect(outcome.profiles[0]?.itemsOut == 3000)
        #expect(outcome.profiles[1]?.itemsOut == 1500)
        #expect(try folder.names == ["in.csv", "out.ndjson"])
    }

    @Test func provenanceLeadsFromADatumToItsOrigins() throws {
        let folder = try Folder()
        let graph = Graph.chain([
            Graph.element("Split0", "split"), Graph.element("Long1", "filter", ["expression": "len(value) > 1"]),
        ])
        let outcome = try Outcome.of(
            Graph.document(
                graph, stages: [([0, 1], 1)], inputs: ["Split0": .items([["input": "a bc"], ["input": "def"]])]), in: folder)
        #expect(outcome.results == [#""bc""#, #""def""#])
        let (first, second) = (DatumID(inputOf: 0, sequence: 0), DatumID(inputOf: 0, sequence: 1))
        let parts = (0..<3).map { DatumID(instance: 0, sequence: $0) }
        let kept = (0..<2).map { DatumID(instance: 1, sequence: $0) }
        #expect(
            outcome.origins == [
                first: nil, second: nil, parts[0]: first, parts[1]: first, parts[2]: second, kept[0]: parts[1], kept[1]: parts[2],
            ])
        #expect(outcome.records.contains(.attributes(datum: DatumID(inputOf: 0, sequence: 1), json: #"{"value":{"input":"def"}}"#)))
    }

    @Test func anAttemptThatResumesAnotherIsGivenSomeItemsUnderTheirNumbers() throws {
        let folder = try Folder()
        let graph = Graph.chain([Graph.element("Split0", "split"), Graph.element("Upper1", "map", ["expression": "upper(value)"])])
        var document = Graph.document(
            graph, stages: [([0, 1], 1)], inputs: ["Split0": .items((0..<9).map { ["input": .string("a\($0) b\($0)")] })])
        document.replayed = ["Split0": [ItemRange(first: 2, count: 1), ItemRange(first: 5, count: 2)]]
        let outcome = try Outcome.of(document, in: folder)
        #expect(outcome.results == [2, 5, 6].flatMap { [#""A\#($0)""#, #""B\#($0)""#] })
        let read = (0..<6).map { outcome.origins[DatumID(instance: 0, sequence: $0)] }
        #expect(read == [2, 2, 5, 5, 6, 6].map { DatumID(inputOf: 0, sequence: $0) })
        #expect(Set(outcome.origins.keys.filter(\.isRunInput).map(\.sequence)) == [2, 5, 6])
        document.replayed = [:]
        #expect(try Outcome.of(document, in: folder).results == [])
    }

    @Test func orderIsKeptBetweenTwoElementsWhateverTheEdges() throws {
        let folder = try Folder()
        let pair = ProcessElement(id: "Pair1", name: "Pair", inputs: [InputPort(name: "x"), InputPort(name: "y")])
        let graph = WorkflowGraph(
            elements: [Graph.element("Split0", "split"), pair],
            edges: ["x", "y"].map { Edge(from: "Split0", output: "output", to: "Pair1", input: $0) })
        let document = Graph.document(
            graph, stages: [([0], 1), ([1], 1)], inputs: ["Split0": .items([["input": "a b"], ["input": "c"]])])
        let host = try NativeHost(document: document, folder: folder.run, workers: [0])
        host.go(0)
        var written: [String] = []
        while !host.areGone {
            guard case .output(let bytes)? = try host.nextEvent()?.event else { continue }
            let content = UnsafeRawBufferPointer(bytes.buffer)
            try Chunk.forEach(in: content) { chunk, range in
                let first = content.loadLittleEndian(UInt64.self, at: range.lowerBound + Chunk.headerSize)
                written += (0..<chunk.count).map { "\(chunk.edge): \(first + UInt64($0))" }
            }
        }
        #expect(written == ["0: 0", "1: 0", "0: 1", "1: 1", "0: 2", "1: 2"])
    }

    /// What a call wrote counts as lost where its own record is not there: it must not come after it.
    @Test func whatACallWroteIsRecordedBeforeItsEnd() throws {
        let folder = try Folder()
        let graph = Graph.chain([Graph.element("Split0", "split"), Graph.element("Upper1", "map", ["expression": "upper(value)"])])
        let items = (0..<20_000).map { JSONValue.object(["input": .string("a\($0) b")]) }
        let outcome = try Outcome.of(Graph.document(graph, stages: [([0, 1], 1)], inputs: ["Split0": .items(items)]), in: folder)
        var written: [Int: UInt64] = [:]
        for record in outcome.records {
            switch record {
            case .data(let run) where run.origin != .runInput: written[run.first.instance, default: 0] += run.count
            case .calls(let run):
                let due = (run.first + run.count) * (run.instance == 0 ? 2 : 1)
                #expect(written[run.instance, default: 0] >= due)
            default: break
            }
        }
        #expect(written == [0: 40_000, 1: 40_000])
    }

    @Test func withoutCaptureOnlyResultsAndProfilesAreRecorded() throws {
        let folder = try Folder()
        let graph = Graph.chain([Graph.element("Split0", "split"), Graph.element("Count1", "count")])
        let outcome = try Outcome.of(
            Graph.document(graph, stages: [([0, 1], 1)], inputs: ["Split0": .items([["input": "a b c"]])], capture: .off), in: folder)
        #expect(outcome.results == ["3"])
        #expect(outcome.records.count == 3)
        #expect(outcome.profiles[0]?.itemsOut == 3)
    }

    @Test func aDatumThatCannotBeProcessedFailsTheRunOrIsSkipped() throws {
        let folder = try Folder()
        func run(_ policy: FailurePolicy) throws -> Outcome {
            let graph = Graph.chain([
                Graph.element("Split0", "split"), Graph.element("Number1", "map", ["expression": "float(value)"], onError: policy),
                Graph.element("Sum2", "sum"),
            ])
            return try Outcome.of(
                Graph.document(graph, stages: [([0, 1, 2], 1)], inputs: ["Split0": .items([["input": "1 2 three 4"]])]), in: folder)
        }
        let failure = try #require(try run(.fail).failure)
        #expect(failure.element == "Number1")
        #expect(failure.datum == "0.2")
        #expect(failure.datumSummary == "'three'")
        #expect(failure.cause == .exception)
        #expect(failure.message.contains("the text 'three' shows no number"))

        let skipped = try run(.skip)
        #expect(skipped.failure == nil)
        #expect(skipped.results == ["7.0"])
        #expect(skipped.profiles[1]?.skipped == 1)
        #expect(skipped.lines.first?.contains("Number1 skipped datum 0.2 ('three')") == true)
        let outcomes = skipped.records.compactMap { if case .invocation(let record) = $0 { record } else { nil } }
        #expect(outcomes.first { $0.outcome == .skipped }?.input == DatumID(instance: 0, sequence: 2))

        let retried = try run(.retry(3))
        #expect(retried.failure?.element == "Number1")
        #expect(retried.profiles[1]?.retried == 3)
    }

    @Test func aDatumThatTakesTooLongFails() throws {
        let folder = try Folder()
        let graph = Graph.chain([Graph.element("Split0", "split", timeLimit: 1e-9)])
        let failure = try Outcome.of(Graph.document(graph, stages: [([0], 1)], inputs: ["Split0": .items([["input": "a"]])]), in: folder)
            .failure
        #expect(failure?.cause == .timeLimit)
        #expect(failure?.message.contains("longer than its time limit") == true)
    }

    @Test func aLongReadHoldsNobodyUp() throws {
        let folder = try Folder()
        try folder.write(String(repeating: "some words\n", count: 300_000), to: "long.txt")
        let graph = Graph.chain([Graph.element("Read0", "lines", ["path": "long.txt"]), Graph.element("Count1", "count")])
        let document = Graph.document(graph, stages: [([0, 1], 1)], capture: .off)
        let host = try NativeHost(document: document, folder: folder.run, workers: [0])
        host.go(0)
        var slices = 0
        var longest = Duration.zero
        var results: [String] = []
        while !host.areGone {
            let start = ContinuousClock.now
            let event = try host.nextEvent()
            longest = max(longest, .now - start)
            if event == nil { slices += 1 }
            if case .note(.records(let bytes))? = event?.event {
                var outcome = Outcome()
                try outcome.take(.records(bytes))
                results += outcome.results
            }
        }
        #expect(results == ["300000"])
        #expect(slices > 10)
        // Far above a slice, since the machine may be busy; the whole takes many times longer.
        #expect(longest < .milliseconds(250))
    }

    @Test func aWorkerThatIsNotReadComputesNothing() throws {
        let folder = try Folder()
        let graph = Graph.chain([Graph.element("Read0", "lines", ["path": "in.txt"]), Graph.element("Count1", "count")])
        try folder.write(String(repeating: "a line of text\n", count: 20_000), to: "in.txt")
        let host = try NativeHost(document: Graph.document(graph, stages: [([0], 1), ([1], 1)]), folder: folder.run, workers: [0])
        host.go(0)
        func outputs(_ limit: Int) throws -> Int {
            var count = 0
            for _ in 0..<limit { if case .output? = try host.nextEvent()?.event { count += 1 } }
            return count
        }
        while try outputs(1) == 0 {}
        host.setReading(false, from: 0)
        _ = try outputs(10)  // What had been computed.
        #expect(!host.hasWork)
        #expect(try outputs(1000) == 0)
        host.setReading(true, from: 0)
        #expect(host.hasWork)
        #expect(try outputs(1000) > 0)
    }

    @Test func killedHostLeavesNoFile() throws {
        let folder = try Folder()
        try folder.write(String(repeating: "a line of text that fills blocks\n", count: 50_000), to: "in.txt")
        let graph = Graph.chain([
            Graph.element("Read0", "lines", ["path": "in.txt"]), Graph.element("Write1", "write_lines", ["path": "deep/out.txt"]),
        ])
        let host = try NativeHost(document: Graph.document(graph, stages: [([0, 1], 1)]), folder: folder.run, workers: [0])
        host.go(0)
        let written = { (try? FileManager.default.contentsOfDirectory(atPath: folder.run.work + "/deep")) ?? [] }
        while written().isEmpty { _ = try host.nextEvent() }
        #expect(written().first?.hasPrefix(".out.txt.") == true)
        host.kill()
        #expect(written().isEmpty)
    }

    @Test func unreadableDataAreNamed() throws {
        let folder = try Folder()
        let graph = Graph.chain([Graph.element("Read0", "lines", ["path": "in.txt"]), Graph.element("Count1", "count")])
        let host = try NativeHost(document: Graph.document(graph, stages: [([0], 1), ([1], 1)]), folder: folder.run, workers: [1])
        // [datetime.date(2026, 1, 1)]
        let content: [UInt8] = [0x80, 5, 0x5D] + "cdatetime\ndate\n".utf8 + "C\u{4}".utf8 + [7, 0xEA & 0x7F, 1, 1, 0x85, 0x52, 0x61, 0x2E]
        host.feed(Chunks.batch([Chunks.chunk(edge: 0, ids: [9], content: content)]), number: 1, to: 1)
        var failure: FailureReport?
        while failure == nil, host.hasWork { if case .note(.failed(let report))? = try host.nextEvent()?.event { failure = report } }
        #expect(failure?.cause == .unpicklable)
        #expect(failure?.message.contains("datetime.date") == true)
        #expect(failure?.element == "Count1")
    }

    @Test func writersOfSeveralInstancesNeedATemplate() throws {
        let folder = try Folder()
        func run(_ path: JSONValue) throws -> Outcome {
            let graph = Graph.chain([Graph.element("Split0", "split"), Graph.element("Write1", "write_lines", ["path": path])])
            return try Outcome.of(
                Graph.document(graph, stages: [([0], 1), ([1], 2)], inputs: ["Split0": .items([["input": "a b c"]])]), in: folder)
        }
        #expect(try run("out.txt").failure?.message.contains("put {instance} into the path") == true)
        #expect(try run("out-{instance}.txt").failure == nil)
        #expect(try [folder.read("out-0.txt"), folder.read("out-1.txt")] == ["a\nc\n", "b\n"])
    }
}
