// SPDX-License-Identifier: Apache-2.0

import CPosix
import Glibc
import StreamEngine
import Testing

@testable import MPITransport

/// What of the transport works without a job; ranks among themselves are tested by real runs.
struct SharedArenaTests {
    @Test func buffersHaveRoomsOfTheirOwnUntilTheyAreReleased() throws {
        let arena = try OwnArena()
        let reader = try ForeignArena(process: UInt32(getpid()), descriptor: UInt32(arena.descriptor))
        var pieces: [Chunk.Piece] = []
        for number in 0..<3 {
            let (slot, offset, bytes) = try #require(try arena.allocate(10_000))
            withExtendedLifetime(bytes) { _ = bytes.buffer.initializeMemory(as: UInt8.self, repeating: UInt8(number + 1)) }
            pieces.append(
                Chunk.Piece(
                    process: UInt32(getpid()), descriptor: UInt32(arena.descriptor), offset: offset, length: 10_000, slot: UInt16(slot),
                    reader: 0))
        }
        #expect(Set(pieces.map(\.slot)).count == 3)
        for (number, piece) in pieces.enumerated() {
            let mapped = try reader.map(piece)
            #expect(withExtendedLifetime(mapped) { mapped.buffer.allSatisfy { $0 == number + 1 } })
        }
        reader.release(pieces[1])
        let again = try #require(try arena.allocate(9_000))
        #expect(again.offset == pieces[1].offset, "a room that is free again was not used")
        #expect(try #require(try arena.allocate(9_000)).offset > pieces[2].offset)
    }

    @Test func aFullArenaSaysSo() throws {
        let arena = try OwnArena()
        for _ in 0..<Int(WEFT_ARENA_SLOTS) { #expect(try arena.allocate(1) != nil) }
        #expect(try arena.allocate(1) == nil)
    }

    @Test func memoryOfAProcessThatIsNotThereCannotBeOpened() {
        #expect(throws: SharedMemoryError.self) { try ForeignArena(process: 1 << 30, descriptor: 3) }
    }
}
