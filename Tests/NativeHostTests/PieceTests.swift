// SPDX-License-Identifier: Apache-2.0

import Foundation
import NativeElements
import NativeHost
import StreamEngine
import Testing
import WorkflowModel

/// Chunks as they come from other workers.
enum Chunks {
    static func chunk(edge: Int, ids: [UInt64], content: [UInt8], pieces: [Chunk.Piece] = [], contentIsPiece: Bool = false) -> [UInt8] {
        var chunk = Chunk(
            length: 0, edge: edge, replica: 0, count: ids.count, listsIDs: true, contentIsPiece: contentIsPiece, pieces: pieces.count,
            weight: 0)
        chunk.length = chunk.contentOffset + content.count
        chunk.weight = chunk.length
        var bytes: [UInt8] = []
        chunk.encode(into: &bytes)
        for id in ids { bytes.appendLittleEndian(id) }
        for piece in pieces { piece.encode(into: &bytes) }
        return bytes + content
    }

    static func batch(_ chunks: [[UInt8]]) -> Batch {
        let bytes = Array(chunks.joined())
        let storage = FixedBytes(count: Batch.headroom + bytes.count)
        UnsafeMutableRawBufferPointer(rebasing: storage.buffer[Batch.headroom...]).copyBytes(from: bytes)
        return Batch(message: storage, weight: bytes.count)
    }
}

/// A file laid out as an arena is.
private final class Arena {
    private let handle: FileHandle
    private let flags = 64 << 10

    init(_ folder: Folder, _ buffers: [[UInt8]]) throws {
        let path = folder.url.appending(path: "arena")
        var bytes = [UInt8](repeating: 0, count: flags)
        for buffer in buffers {
            bytes += buffer
            bytes += [UInt8](repeating: 0, count: 4096 - buffer.count % 4096)
        }
        try Data(bytes).write(to: path)
        handle = try FileHandle(forUpdating: path)
    }

    func piece(_ index: Int, length: Int, slot: UInt16, reader: UInt8) -> Chunk.Piece {
        Chunk.Piece(
            process: UInt32(ProcessInfo.processInfo.processIdentifier), descriptor: UInt32(handle.fileDescriptor),
            offset: UInt64(flags + 4096 * index), length: UInt64(length), slot: slot, reader: reader)
    }

    func flag(slot: Int, reader: Int) throws -> UInt8? {
        try handle.seek(toOffset: UInt64(slot * 16 + reader))
        return try handle.read(upToCount: 1)?.first
    }
}

struct PieceTests {
    @Test func contentAndBuffersInSharedMemoryAreReadAndReleased() throws {
        let folder = try Folder()
        let graph = Graph.chain([
            Graph.element("Read0", "lines", ["path": "in.txt"]), Graph.element("Length1", "map", ["expression": "len(value)"]),
        ])
        let host = try NativeHost(document: Graph.document(graph, stages: [([0], 1), ([1], 1)]), folder: folder.run, workers: [1])
        let buffer = [UInt8](repeating: 7, count: 1000)
        // A list of the out-of-band buffer and "abc".
        let content: [UInt8] = [0x80, 5, 0x5D, 0x28, 0x97, 0x8C, 3] + "abc".utf8 + [0x65, 0x2E]
        let arena = try Arena(folder, [content, buffer])
        let pieces = [arena.piece(0, length: content.count, slot: 4, reader: 1), arena.piece(1, length: 1000, slot: 5, reader: 15)]
        host.feed(
            Chunks.batch([Chunks.chunk(edge: 0, ids: [3, 8], content: [], pieces: pieces, contentIsPiece: true)]), number: 7, to: 1)
        host.finish(1)
        var outcome = Outcome()
        var consumed: [UInt32] = []
        while !host.areGone {
            switch try host.nextEvent()?.event {
            case .note(let note)?: try outcome.take(note)
            case .consumed(let number)?: consumed.append(number)
            case .ready?, .output?, .checkpointed?, .paused?, .last?, .done?, nil: break
            }
        }
        #expect(consumed == [7])
        #expect(outcome.failure == nil)
        #expect(outcome.results == ["1000", "3"])
        #expect(try arena.flag(slot: 4, reader: 1) == 1)
        #expect(try arena.flag(slot: 5, reader: 15) == 1)
        #expect(try arena.flag(slot: 5, reader: 14) == 0)
    }

    @Test func aPieceBeyondItsArenaFailsTheRun() throws {
        let folder = try Folder()
        let graph = Graph.chain([Graph.element("Read0", "lines", ["path": "in.txt"]), Graph.element("Count1", "count")])
        let host = try NativeHost(document: Graph.document(graph, stages: [([0], 1), ([1], 1)]), folder: folder.run, workers: [1])
        let piece = try Arena(folder, [[1]]).piece(0, length: 1 << 40, slot: 0, reader: 0)
        host.feed(Chunks.batch([Chunks.chunk(edge: 0, ids: [0], content: [], pieces: [piece], contentIsPiece: true)]), number: 1, to: 1)
        var failure: FailureReport?
        while failure == nil, host.hasWork { if case .note(.failed(let report))? = try host.nextEvent()?.event { failure = report } }
        #expect(failure?.message.contains("shared memory") == true)
    }
}
