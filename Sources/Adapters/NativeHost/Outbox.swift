// SPDX-License-Identifier: Apache-2.0

import NativeElements
import StreamEngine
import WorkflowModel

/// What leaves a worker: routed, pickled, and gathered into chunks.
struct Outbox {
    private static let chunkBytes = 64 << 10
    private static let chunkCount = 1024
    /// As long as a frame may be, with room for a header.
    private static let maximumDatum = 1 << 30 - 1024
    private static let rememberedKeys = 1 << 16

    /// Data for one instance on one edge.
    private struct Gathering {
        let edge: Int
        let replica: Int
        var ids: [UInt64] = []
        var content = PickleWriter.listStart
    }

    private var router: Router
    /// Parts of the key by edge; nil where the edge is not grouped by key.
    private let keys: [[KeyPart]?]
    /// Edges beside which others join the same two PEs: what goes by one of them must not pass what goes by another.
    private let parallel: Set<Int>
    private var gatherings: [Gathering] = []
    /// By edge, positions of its replicas among the gatherings.
    private var positions: [Int: [Int: Int]] = [:]
    private var hashes: [Value: UInt64] = [:]
    /// Bytes gathered, roughly.
    private(set) var size = 0
    private(set) var isFull = false

    init(graph: WorkflowGraph, routing: Routing, worker: Int) {
        router = Router(routing: routing, worker: worker)
        keys = graph.edges.map { edge in
            guard let reader = graph.elements.first(where: { $0.id == edge.to }),
                case .byKey(let parts)? = reader.inputs.first(where: { $0.name == edge.input })?.grouping
            else { return nil }
            return parts
        }
        let pairs = Dictionary(grouping: graph.edges.indices) { [graph.edges[$0].from, graph.edges[$0].to] }
        parallel = Set(pairs.values.filter { $0.count > 1 }.joined())
    }

    /// - Returns: bytes of the datum as pickled.
    mutating func put(_ value: Value, id: UInt64, edge: Int) throws(NativeError) -> Int {
        let hash = try keys[edge].map { parts throws(NativeError) in try keyHash(value, parts) } ?? 0
        guard let replicas = router.replicas(edge: edge, keyHash: hash) else { return 0 }
        if parallel.contains(edge) { isFull = true }
        var length = 0
        for replica in replicas {
            let position = position(edge: edge, replica: replica)
            let before = gatherings[position].content.count
            PickleWriter.append(value, to: &gatherings[position].content)
            gatherings[position].ids.append(id)
            length = gatherings[position].content.count - before
            size += length
            guard length <= Self.maximumDatum else {
                throw NativeError("a datum of \(length) bytes; the limit is 1 GiB: write it to a file and send its path")
            }
            if gatherings[position].content.count >= Self.chunkBytes || gatherings[position].ids.count >= Self.chunkCount { isFull = true }
        }
        return length
    }

    private mutating func keyHash(_ value: Value, _ parts: [KeyPart]) throws(NativeError) -> UInt64 {
        let key: Value
        do { key = try value.key(parts) } catch {
            throw NativeError("cannot be grouped by the key \(Grouping.byKey(parts)): \(error)")
        }
        if let hash = hashes[key] { return hash }
        let hash = StableHash.hash(key.items ?? [])
        if hashes.count >= Self.rememberedKeys { hashes.removeAll(keepingCapacity: true) }
        hashes[key] = hash
        return hash
    }

    private mutating func position(edge: Int, replica: Int) -> Int {
        if let position = positions[edge]?[replica] { return position }
        gatherings.append(Gathering(edge: edge, replica: replica))
        positions[edge, default: [:]][replica] = gatherings.count - 1
        return gatherings.count - 1
    }

    /// Body of an OUTPUT frame with all that is gathered; nil where there is nothing.
    mutating func flush() -> [UInt8]? {
        guard size > 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size + gatherings.count * 64)
        for index in gatherings.indices where !gatherings[index].ids.isEmpty {
            let gathering = gatherings[index]
            let ids = gathering.ids
            let stride = ids.count > 1 ? ids[1] &- ids[0] : 1
            let listsIDs = !ids.indices.dropFirst().allSatisfy { ids[$0] &- ids[$0 - 1] == stride }
            var chunk = Chunk(
                length: 0, edge: gathering.edge, replica: gathering.replica, count: ids.count, listsIDs: listsIDs, weight: 0)
            chunk.length = chunk.contentOffset + gathering.content.count + PickleWriter.listEnd.count
            chunk.weight = chunk.length
            chunk.encode(into: &bytes)
            for id in listsIDs ? ids : [ids[0], stride] { bytes.appendLittleEndian(id) }
            bytes += gathering.content
            bytes += PickleWriter.listEnd
            gatherings[index].ids.removeAll(keepingCapacity: true)
            gatherings[index].content = PickleWriter.listStart
        }
        size = 0
        isFull = false
        return bytes
    }
}
