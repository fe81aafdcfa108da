// SPDX-License-Identifier: Apache-2.0

import Foundation
import NativeElements
import NativeHost
import Provenance
import StreamEngine
import WorkflowModel

/// No other ranks.
struct NoTransport: Transport {
    mutating func send(_ message: FixedBytes, to rank: Int) {}
    mutating func receive() -> (bytes: FixedBytes, rank: Int)? { nil }
    var unsent: Int { 0 }
}

/// An attempt's folder that vanishes with it.
final class Folder {
    let url = FileManager.default.temporaryDirectory.appending(path: "weft-\(UUID().uuidString)")
    var run: RunFolder { RunFolder(path: url.path()) }

    init() throws { try FileManager.default.createDirectory(atPath: run.work, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(at: url) }

    func write(_ text: String, to name: String) throws { try Data(text.utf8).write(to: URL(filePath: "\(run.work)/\(name)")) }
    func read(_ name: String) throws -> String { try String(contentsOfFile: "\(run.work)/\(name)", encoding: .utf8) }
    var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: run.work).sorted() } }
}

enum Graph {
    static func element(
        _ id: String, _ operation: String, _ parameters: [String: JSONValue] = [:], onError: FailurePolicy = .fail, timeLimit: Double? = nil
    ) -> ProcessElement {
        let description = NativeCatalogue.operation(operation)
        return ProcessElement(
            id: id, name: id, inputs: description?.inputs(parameters) ?? [], outputs: description?.outputs ?? [], onError: onError,
            timeLimit: timeLimit, native: NativeOperation(operation: operation, parameters: parameters))
    }

    /// The elements one after the other.
    static func chain(_ elements: [ProcessElement]) -> WorkflowGraph {
        WorkflowGraph(
            elements: elements,
            edges: zip(elements, elements.dropFirst()).map { Edge(from: $0.id, output: "output", to: $1.id, input: "input") })
    }

    /// All on rank 0.
    /// - Parameter stages: indexes of the elements, and how many workers.
    static func document(
        _ graph: WorkflowGraph, stages: [(elements: [Int], workers: Int)], inputs: [String: SourceInput]? = nil, capture: Capture = .full
    ) -> RunDocument {
        var instances: [Int] = Array(repeating: 0, count: graph.elements.count)
        var next = 0
        for index in graph.elements.indices {
            instances[index] = next
            next += stages.first { $0.elements.contains(index) }?.workers ?? 0
        }
        let plan = Plan(
            layout: .fused, ranksRequested: 1, ranks: 1,
            stages: stages.map { Stage(elements: $0.elements, workers: $0.workers, reasons: []) },
            workers: stages.enumerated().flatMap { stage, value in
                (0..<value.workers).map { Worker(stage: stage, replica: $0, rank: 0) }
            }, firstInstances: instances, reasons: [])
        let once = Dictionary(graph.sources.map { (graph.elements[$0].id, SourceInput.count(1)) }, uniquingKeysWith: { first, _ in first })
        return RunDocument(
            run: RunID(milliseconds: 0, random: [UInt8](repeating: 0, count: 10)), attempt: 1, graph: graph, plan: plan,
            inputs: inputs ?? once, interpreter: "", module: "", attribute: nil, capture: capture)
    }
}

/// What came of a run.
struct Outcome {
    var records: [SegmentRecord] = []
    var lines: [String] = []
    var failure: FailureReport?
    var notes: [String] = []

    /// JSON of what was written to outputs that no edge reads.
    var results: [String] { records.compactMap { if case .result(_, _, let json) = $0 { json } else { nil } } }
    var profiles: [Int: InstanceProfile] {
        Dictionary(
            records.compactMap { if case .profile(let instance, let profile) = $0 { (instance, profile) } else { nil } },
            uniquingKeysWith: { $1 })
    }

    /// Of each datum that `process` wrote, the input of the call that wrote it; of an input of the run, nothing.
    var origins: [DatumID: DatumID?] {
        var inputs: [Int: [UInt64: DatumID]] = [:]
        for case .calls(let run) in records {
            for index in 0..<run.count {
                let input: DatumID? =
                    switch run.inputs {
                    case .none: nil
                    case .progression(let first, let stride): DatumID(rawValue: first.rawValue + index * stride)
                    case .list(let list): list[Int(index)]
                    }
                inputs[run.instance, default: [:]][run.first + index] = input
            }
        }
        var origins: [DatumID: DatumID?] = [:]
        for case .data(let run) in records {
            for index in 0..<run.count {
                let id = DatumID(rawValue: run.first.rawValue + index)
                let writer: UInt64? =
                    switch run.writers {
                    case .none: nil
                    case .one(let sequence): sequence
                    case .each(let first): first + index
                    case .distances(let first, let distances): first + UInt64(distances[Int(index)])
                    }
                origins[id] = .some(writer.flatMap { inputs[id.instance]?[$0] })
            }
        }
        return origins
    }

    mutating func take(_ note: NativeNote) throws {
        switch note {
        case .started: notes.append("started")
        case .ready: notes.append("ready")
        case .ended: notes.append("ended")
        case .records(let bytes):
            let run = RunID(milliseconds: 0, random: [UInt8](repeating: 0, count: 10))
            let encoder = SegmentEncoder(run: run, attempt: 1, rank: 0)
            let chunk = try SegmentDecoder(run: run, attempt: 1, rank: 0).decode(encoder.header() + SegmentEncoder.frame(bytes), at: 0)
            records += chunk.records
        case .checkpointed(let checkpoint, let items):
            notes.append("checkpoint \(checkpoint) after \(items.map(String.init) ?? "no") items")
        case .line(_, _, let text): lines.append(text)
        case .failed(let report): failure = report
        }
    }

    /// Runs the document's workers until all has ended or one has failed.
    static func of(_ document: RunDocument, in folder: Folder) throws -> Outcome {
        let host = try NativeHost(document: document, folder: folder.run, workers: document.plan.workers(onRank: 0))
        let routing = try Routing(graph: document.graph, plan: document.plan)
        var loop = RankLoop(machine: RankMachine(routing: routing, rank: 0), transport: NoTransport(), host: host)
        var outcome = Outcome()
        let deadline = ContinuousClock.now + .seconds(60)
        while outcome.failure == nil, !loop.isFinished || !host.areGone {
            _ = try loop.step { _, note in try outcome.take(note) }
            guard ContinuousClock.now < deadline else { throw TimedOut() }
        }
        host.kill()
        return outcome
    }
}

struct TimedOut: Error {}
