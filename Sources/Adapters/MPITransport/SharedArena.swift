// SPDX-License-Identifier: Apache-2.0

import CPosix
import Glibc
import StreamEngine

/// Shared memory could not be had.
struct SharedMemoryError: Error, CustomStringConvertible {
    let action: String
    let code: Int32

    var description: String { "cannot \(action): \(String(cString: strerror(code)))" }

    static func check(_ code: Int32, _ action: @autoclosure () -> String) throws(SharedMemoryError) {
        if code != 0 { throw SharedMemoryError(action: action(), code: code) }
    }
}

/// Bytes of an arena, mapped for as long as this lives.
final class MappedBytes {
    let buffer: UnsafeMutableRawBufferPointer

    init(_ descriptor: Int32, offset: UInt64, length: Int, isWritable: Bool) throws(SharedMemoryError) {
        var bytes: UnsafeMutableRawPointer?
        try SharedMemoryError.check(
            weft_arena_map(descriptor, offset, length, isWritable ? 1 : 0, &bytes), "map \(length) bytes of shared memory")
        buffer = UnsafeMutableRawBufferPointer(start: bytes, count: length)
    }

    deinit { weft_arena_unmap(buffer.baseAddress, buffer.count) }
}

/// Another process's arena, as one who reads from it sees it.
final class ForeignArena {
    private let descriptor: Int32
    private let flags: MappedBytes

    init(process: UInt32, descriptor file: UInt32) throws(SharedMemoryError) {
        var opened: Int32 = -1
        try SharedMemoryError.check(weft_arena_open(process, file, &opened), "open the shared memory of process \(process)")
        descriptor = opened
        do {
            flags = try MappedBytes(opened, offset: 0, length: Int(WEFT_ARENA_FLAGS), isWritable: true)
        } catch {
            close(opened)
            throw error
        }
    }

    deinit { close(descriptor) }

    func map(_ piece: Chunk.Piece) throws(SharedMemoryError) -> MappedBytes {
        try MappedBytes(descriptor, offset: piece.offset, length: Int(piece.length), isWritable: false)
    }

    /// This reader needs the buffer no more.
    func release(_ piece: Chunk.Piece) {
        let flag = Int(piece.slot) * Int(WEFT_ARENA_READERS) + Int(piece.reader)
        if flag < flags.buffer.count { flags.buffer[flag] = 1 }
    }
}

/// Memory that this process fills and others on its node read, each buffer by one reader.
final class OwnArena {
    private static let size: UInt64 = 1 << 40
    private static let page: UInt64 = 4096
    /// Freed buffers below this keep their memory, for the next ones.
    private static let discardedLength: UInt64 = 16 << 20

    let descriptor: Int32
    private let flags: MappedBytes
    private var taken: [(slot: Int, range: Range<UInt64>)] = []
    private var freeSlots = Array(0..<Int(WEFT_ARENA_SLOTS))

    init() throws(SharedMemoryError) {
        var made: Int32 = -1
        try SharedMemoryError.check(weft_arena_create(Self.size, &made), "make shared memory")
        descriptor = made
        do {
            flags = try MappedBytes(made, offset: 0, length: Int(WEFT_ARENA_FLAGS), isWritable: true)
        } catch {
            close(made)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// Room for a buffer, and where it is; `nil` where every slot is taken.
    func allocate(_ length: Int) throws(SharedMemoryError) -> (slot: Int, offset: UInt64, bytes: MappedBytes)? {
        reclaim()
        guard let slot = freeSlots.last else { return nil }
        let needed = (UInt64(length) + Self.page - 1) / Self.page * Self.page
        var offset = UInt64(WEFT_ARENA_FLAGS)
        var position = 0
        while position < taken.count, taken[position].range.lowerBound - offset < needed {
            offset = taken[position].range.upperBound
            position += 1
        }
        guard offset + needed <= Self.size else { return nil }
        let bytes = try MappedBytes(descriptor, offset: offset, length: length, isWritable: true)
        flags.buffer[slot * Int(WEFT_ARENA_READERS)] = 0
        freeSlots.removeLast()
        taken.insert((slot, offset..<offset + needed), at: position)
        return (slot, offset, bytes)
    }

    private func reclaim() {
        taken.removeAll { entry in
            guard flags.buffer[entry.slot * Int(WEFT_ARENA_READERS)] != 0 else { return false }
            let length = entry.range.upperBound - entry.range.lowerBound
            freeSlots.append(entry.slot)
            if length >= Self.discardedLength { _ = weft_arena_discard(descriptor, entry.range.lowerBound, length) }
            return true
        }
    }
}
