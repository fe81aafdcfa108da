// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import Provenance
import Storage
import Synchronization
import TestSupport
import WorkflowModel

let alice = Principal(issuer: "https://id.example", subject: "alice", scopes: [.read, .submit])
let bob = Principal(issuer: "https://id.example", subject: "bob", scopes: [.read, .submit])
let admin = Principal(issuer: "https://id.example", subject: "root", scopes: [.admin])

/// A whole second, so that times compare equal after their way through the database.
let noon = Date(timeIntervalSince1970: 1_750_000_000)

/// Storage on a new database, with its pool for looking past it.
func freshStorage(longestTraceWait: Duration = .seconds(60)) async throws -> (storage: Storage, pool: ConnectionPool) {
    let server = try await PrivatePostgres.shared
    let pool = ConnectionPool(
        conninfo: server.conninfo(database: try await server.createDatabase()), size: 4, longestWait: .seconds(60))
    let storage = Storage(pool: pool, longestTraceWait: longestTraceWait)
    try await storage.migrate()
    return (storage, pool)
}

/// read -> count, two instances of count on ranks 0 and 1.
let wordCount = WorkflowGraph(
    elements: [
        ProcessElement(
            id: "Read0", name: "Read", outputs: ["lines"], documentation: "Reads a corpus.", digest: "d-read", source: "class Read: …"),
        ProcessElement(
            id: "CountWords1", name: "CountWords", inputs: [InputPort(name: "line")], outputs: ["counts"], digest: "d-count"),
    ],
    edges: [Edge(from: "Read0", output: "lines", to: "CountWords1", input: "line")])

let wordCountPlan = Plan(
    layout: .spread, ranksRequested: 2, ranks: 2,
    stages: [Stage(elements: [0], workers: 1, reasons: []), Stage(elements: [1], workers: 2, reasons: [])],
    workers: [Worker(stage: 0, replica: 0, rank: 0), Worker(stage: 1, replica: 0, rank: 0), Worker(stage: 1, replica: 1, rank: 1)],
    firstInstances: [0, 1], reasons: [])

func registration(
    _ name: String, version: String? = nil, digest: String = "sha256:1", documentation: String? = nil, graph: WorkflowGraph = wordCount
) -> RegisteredGraph {
    let parts = name.split(separator: "/").map(String.init)
    return RegisteredGraph(
        reference: Reference(namespace: parts[0], name: parts[1], version: version), digest: digest, owner: "", registeredAt: noon,
        documentation: documentation, environment: nil, attribute: "graph", filename: "module.py", graph: graph, source: "# text")
}

private let runNumber = Atomic<UInt64>(0)

/// A new id in each call, each greater than the ones before.
func newRunID() -> RunID {
    RunID(milliseconds: runNumber.add(1, ordering: .relaxed).newValue, random: (0..<10).map { _ in UInt8.random(in: 0...255) })
}

func newRun(_ graph: Reference, owner: Principal = alice, name: String? = nil) -> NewRun {
    NewRun(
        id: newRunID(), name: name, graph: graph, owner: owner, resources: ResourceRequest(ranks: 2, memoryPerRank: 100),
        inputs: ["Read0": .items([["path": "a\u{0}b"]])], plan: wordCountPlan, submittedAt: noon)
}

extension Storage {
    func register(_ graph: RegisteredGraph, by owner: Principal = alice) async throws -> RegisteredGraph {
        switch try await registerGraph(graph, owner: owner) {
        case .created(let graph): return graph
        case let other: throw Unexpected(description: "\(other)")
        }
    }

    /// A queued run of a graph that is registered on the way.
    func startedRun(owner: Principal = alice) async throws -> RunID {
        let outcome = try await registerGraph(registration("alice/words"), owner: alice)
        let graph: RegisteredGraph =
            switch outcome {
            case .created(let graph), .same(let graph): graph
            default: throw Unexpected(description: "\(outcome)")
            }
        return try await create(newRun(graph.reference, owner: owner)).id
    }

    func create(_ run: NewRun) async throws -> Run {
        switch try await createRun(run, idempotencyKey: nil, requestDigest: "") {
        case .created(let run): return run
        case let other: throw Unexpected(description: "\(other)")
        }
    }

    func store(_ run: RunID, rank: Int = 0, _ records: [SegmentRecord]) async throws {
        let position = try await segmentOffsets(run, attempt: 1)[rank] ?? SegmentPosition(offset: 0, ended: false)
        guard
            try await ingest(
                run, attempt: 1, rank: rank, from: position.offset, to: position.offset + 100, ended: false, records: records)
        else { throw Unexpected(description: "not stored") }
    }
}

extension ConnectionPool {
    func count(_ table: String) async throws -> Int {
        try await run { connection in try connection.query("SELECT count(*) AS n FROM \(table)")[0].value("n") }
    }
}

struct Unexpected: Error, CustomStringConvertible {
    var description: String
}

/// Follows a list from page to page.
func allPages<Item>(size: Int, _ page: (PageRequest) async throws -> Page<Item>) async throws -> [Item] {
    var items: [Item] = []
    var cursor: String?
    repeat {
        let next = try await page(try PageRequest(size: size, cursor: cursor))
        items += next.items
        cursor = next.next
    } while cursor != nil
    return items
}

// MARK: Records

func invocation(
    _ instance: Int, _ sequence: UInt64, input: DatumID?, kind: InvocationRecord.Kind = .process,
    outcome: InvocationRecord.Outcome = .ok
) -> SegmentRecord {
    .invocation(
        InvocationRecord(
            instance: instance, sequence: sequence, kind: kind, outcome: outcome, input: input, inputPort: input == nil ? nil : 0,
            start: 1_750_000_000_000_000_000 + Int64(sequence) * 1_000_000_000, duration: 500_000_000))
}

func datum(_ id: DatumID, by invocation: UInt64?, size: UInt64 = 10) -> SegmentRecord {
    .datum(
        WrittenDatum(
            id: id, origin: id.isRunInput ? .runInput : .sent, port: 0, invocation: invocation, size: size, at: 1_750_000_000_000_000_000))
}
