// SPDX-License-Identifier: Apache-2.0

import Glibc
import NativeElements
import StreamEngine

/// Reads what lies in the arenas of the node's processes, and tells their owners when it has.
final class SharedPieces {
    private struct Arena: Hashable {
        var process: UInt32
        var descriptor: UInt32
    }

    private var opened: [Arena: Int32] = [:]

    deinit {
        for descriptor in opened.values { close(descriptor) }
    }

    /// The values of a chunk.
    func values(of chunk: Chunk, _ bytes: UnsafeRawBufferPointer) throws(NativeError) -> [Value] {
        let pieces = (0..<chunk.pieces).map { index in
            Chunk.Piece(UnsafeRawBufferPointer(rebasing: bytes[(chunk.piecesOffset + Chunk.Piece.size * index)...]))
        }
        defer { for piece in pieces { release(piece) } }
        let buffers = pieces.dropFirst(chunk.contentIsPiece ? 1 : 0)
        var contents: [[UInt8]] = []
        for buffer in buffers { contents.append(try withBytes(of: buffer) { Array($0) }) }
        let read = { (pickle: UnsafeRawBufferPointer) throws(NativeError) -> Value in try PickleReader.read(pickle, buffers: contents) }
        let content =
            if chunk.contentIsPiece, let first = pieces.first {
                try withBytes(of: first, read)
            } else {
                try read(UnsafeRawBufferPointer(rebasing: bytes[chunk.contentOffset..<chunk.length]))
            }
        guard case .list(let values) = content, values.count == chunk.count else {
            throw NativeError("a chunk that does not hold the \(chunk.count) values that it says")
        }
        return values
    }

    private func descriptor(of piece: Chunk.Piece) throws(NativeError) -> Int32 {
        let arena = Arena(process: piece.process, descriptor: piece.descriptor)
        if let descriptor = opened[arena] { return descriptor }
        let path = "/proc/\(piece.process)/fd/\(piece.descriptor)"
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw NativeError("the shared memory \(path) cannot be opened: \(String(cString: strerror(errno)))")
        }
        opened[arena] = descriptor
        return descriptor
    }

    private func withBytes<T>(
        of piece: Chunk.Piece, _ body: (UnsafeRawBufferPointer) throws(NativeError) -> T
    ) throws(NativeError) -> T {
        let length = Int(clamping: piece.length)
        guard length > 0 else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        let descriptor = try descriptor(of: piece)
        // Touching what lies behind a file's end would kill the process.
        var status = stat()
        guard fstat(descriptor, &status) == 0, piece.offset <= UInt64(status.st_size),
            piece.length <= UInt64(status.st_size) - piece.offset,
            let start = mmap(nil, length, PROT_READ, MAP_SHARED, descriptor, off_t(piece.offset)), start != MAP_FAILED
        else { throw NativeError("\(piece.length) bytes of shared memory of process \(piece.process) cannot be mapped") }
        defer { munmap(start, length) }
        return try body(UnsafeRawBufferPointer(start: start, count: length))
    }

    /// Sets the reader's flag; an owner that is gone needs none.
    private func release(_ piece: Chunk.Piece) {
        guard let descriptor = try? descriptor(of: piece) else { return }
        var flag: UInt8 = 1
        _ = pwrite(descriptor, &flag, 1, off_t(piece.slot) * 16 + off_t(piece.reader))
    }
}
