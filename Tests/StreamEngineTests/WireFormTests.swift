// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import StreamEngine

struct WireFormTests {
    /// Two chunks: one with a list of ids and content, one with its content in a piece.
    private static let chunks: [UInt8] = {
        var bytes: [UInt8] = []
        Chunk(length: 43, edge: 2, replica: 1, count: 2, listsIDs: true, weight: 43).encode(into: &bytes)
        bytes += [UInt8](repeating: 7, count: 16) + [1, 2, 3]
        Chunk(length: 72, edge: 3, replica: 0, count: 1, listsIDs: false, contentIsPiece: true, pieces: 1, weight: 1 << 32).encode(
            into: &bytes)
        bytes += [UInt8](repeating: 0, count: 16)
        Chunk.Piece(process: 9, descriptor: 8, offset: 65536, length: 1 << 32, slot: 4095, reader: 15).encode(into: &bytes)
        return bytes
    }()

    private func read(_ bytes: [UInt8]) throws -> [Chunk] {
        var chunks: [Chunk] = []
        try bytes.withUnsafeBytes { try Chunk.forEach(in: $0) { chunk, _ in chunks.append(chunk) } }
        return chunks
    }

    @Test func aChunkHasTheDocumentedBytes() {
        var bytes: [UInt8] = []
        Chunk(length: 0x0102, edge: 0x0304, replica: 5, count: 6, listsIDs: true, contentIsPiece: true, pieces: 7, weight: 8)
            .encode(into: &bytes)
        #expect(bytes == [2, 1, 0, 0, 4, 3, 5, 0, 6, 0, 0, 0, 0x81, 0, 7, 0, 8, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test func chunksComeBackAsTheyWere() throws {
        let chunks = try read(Self.chunks)
        #expect(chunks.map(\.length) == [43, 72])
        #expect(chunks[0].listsIDs && chunks[0].contentOffset == 40)
        #expect(chunks[1].contentIsPiece && chunks[1].weight == 1 << 32)
        let piece = Self.chunks.withUnsafeBytes { Chunk.Piece(UnsafeRawBufferPointer(rebasing: $0[(43 + chunks[1].piecesOffset)...])) }
        #expect(piece == Chunk.Piece(process: 9, descriptor: 8, offset: 65536, length: 1 << 32, slot: 4095, reader: 15))
    }

    @Test func everyCutOfChunksIsRefused() {
        for length in 1..<Self.chunks.count where length != 43 {
            #expect(throws: StreamViolation.self, "\(length) bytes") { try read(Array(Self.chunks.prefix(length))) }
        }
    }

    @Test func bytesAtRandomAreNeverReadPastTheirEnd() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<20_000 {
            var bytes = Self.chunks
            for _ in 0...generator.below(4) { bytes[generator.below(bytes.count)] = UInt8(truncatingIfNeeded: generator.next()) }
            guard let chunks = try? read(bytes) else { continue }
            #expect(chunks.reduce(0) { $0 + $1.length } == bytes.count)
            #expect(chunks.allSatisfy { $0.contentOffset <= $0.length })
        }
    }

    @Test func messagesComeBackAsTheyWere() throws {
        let parts = [
            ChunkSlice(body: PaddedBytes(Self.chunks), range: 0..<43, weight: 43),
            ChunkSlice(body: PaddedBytes(Self.chunks), range: 43..<115, weight: 1 << 32),
        ]
        guard case .data(let from, let to, let batch) = try Message(Message.data(from: 3, to: 70_000, Batch(parts)).encoded()) else {
            Issue.record("a message of data came back as another")
            return
        }
        #expect(from == 3 && to == 70_000 && batch.weight == 43 + 1 << 32 && Array(batch.chunks) == Self.chunks)
        guard case .end(0, 1) = try Message(Message.end(from: 0, to: 1).encoded()) else {
            Issue.record("an end came back as another message")
            return
        }
        guard case .credit(5, 6, 1 << 40) = try Message(Message.credit(from: 5, to: 6, bytes: 1 << 40).encoded()) else {
            Issue.record("a credit came back as another message")
            return
        }
    }

    @Test func aHeaderStandsDirectlyBeforeTheChunks() {
        let batch = Batch([ChunkSlice(body: PaddedBytes(Self.chunks), range: 0..<43, weight: 43)])
        let offset = batch.prefix([0xAA, 0xBB, 0xCC])
        #expect(Array(batch.storage.buffer[offset...]) == [0xAA, 0xBB, 0xCC] + Self.chunks.prefix(43))
    }

    @Test func whatAWorkerWroteInOneGoIsNotMoved() {
        let body = PaddedBytes(Array(Self.chunks.prefix(43)))
        let batch = Batch([ChunkSlice(body: body, range: 0..<43, weight: 43)])
        #expect(batch.chunks.baseAddress == UnsafeRawPointer(body.buffer.baseAddress))
    }

    @Test(arguments: [[], [1, 0, 0, 0], [UInt8](repeating: 9, count: 24)] as [[UInt8]])
    func aMessageThatIsNoneIsRefused(bytes: [UInt8]) {
        #expect(throws: StreamViolation.self) { try Message(FixedBytes(bytes)) }
    }
}
