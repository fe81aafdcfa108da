// SPDX-License-Identifier: Apache-2.0

import CMPI
import DequeModule
import Glibc
package import StreamEngine

/// A call of MPI that failed.
package struct MPIError: Error, CustomStringConvertible {
    package var description: String
}

/// Messages between ranks over MPI. One exists per process, and only the main thread uses it.
///
/// What chunks keep in shared memory is read there by ranks of the same node; to a rank on another node it follows its message
/// in parts, from the sender's shared memory into the receiver's.
///
/// Nothing finalizes MPI but ``finalize()``: after an error the job is aborted, and MPI's own calls must still work then.
package final class MPITransport: Transport {
    private struct Departing {
        var request: weft_mpi_request
        /// MPI reads from it in the background.
        let held: Held
    }

    private enum Held {
        case message(FixedBytes)
        case piece(SharedPiece)
    }

    /// A message whose buffers are still coming.
    private struct Arriving {
        let message: FixedBytes
        var parts: [weft_mpi_request]
        /// Mapped until the last part is there.
        var buffers: [MappedBytes]
    }

    /// MPI counts in `int`.
    private static let partBytes = 1 << 30

    package let rank: Int
    package let size: Int
    private let nodes: [UInt64]
    private var departing: [Departing] = []
    /// By rank, what has come but cannot be handed on yet: messages of one rank keep their order.
    private var arriving: [Int: Deque<Arriving>] = [:]
    private var foreign: [UInt64: ForeignArena] = [:]
    private var own: [OwnArena] = []
    private var barrier: weft_mpi_request?

    private init(node: String) throws(MPIError) {
        rank = Int(weft_mpi_rank())
        size = Int(weft_mpi_size())
        var nodes = [UInt64](repeating: 0, count: size)
        try Self.check(weft_mpi_allgather(Self.number(of: node), &nodes), "MPI_Allgather of the nodes")
        self.nodes = nodes
    }

    /// Joins the job that `mpirun` started this process in; alone, a job of one rank.
    /// - Parameter node: what processes that can share memory have in common, and no others.
    package static func start(node: String = sharingNode) throws(MPIError) -> MPITransport {
        try check(weft_mpi_init(), "MPI_Init_thread")
        return try MPITransport(node: node)
    }

    /// Processes share memory by way of `/proc`: they must be on one machine and see the same processes.
    package static var sharingNode: String {
        var space = stat()
        let processes = stat("/proc/self/ns/pid", &space) == 0 ? space.st_ino : 0
        guard let file = fopen("/proc/sys/kernel/random/boot_id", "r") else { return "\(processes)" }
        defer { fclose(file) }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { line in
            guard let start = line.baseAddress, let boot = fgets(start, 64, file) else { return "\(processes)" }
            return "\(processes) \(String(cString: boot))"
        }
    }

    /// FNV-1a.
    private static func number(of text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    package var unsent: Int { departing.count }

    // MARK: Sending

    package func send(_ message: FixedBytes, to rank: Int) throws {
        guard message.count <= Int32.max else {
            throw MPIError(description: "a message of \(message.count) bytes to rank \(rank): MPI carries at most \(Int32.max)")
        }
        try send(UnsafeRawBufferPointer(message.buffer), to: rank, WEFT_MPI_MESSAGE, holding: .message(message))
        guard nodes[rank] != nodes[self.rank] else { return }
        for (_, piece) in try Self.pieces(of: message) {
            let shared = try SharedPiece(piece, of: foreignArena(of: piece))
            for part in Self.parts(shared.mapped.buffer) {
                try send(UnsafeRawBufferPointer(part), to: rank, WEFT_MPI_PART, holding: .piece(shared))
            }
        }
    }

    private func send(_ bytes: UnsafeRawBufferPointer, to rank: Int, _ tag: weft_mpi_tag, holding held: Held) throws(MPIError) {
        var request = weft_mpi_request()
        let error = weft_mpi_isend(bytes.baseAddress, bytes.count, Int32(rank), tag, &request)
        departing.append(Departing(request: request, held: held))
        try Self.check(error, "MPI_Isend of \(bytes.count) bytes to rank \(rank)")
    }

    private func releaseSent() throws(MPIError) {
        guard !departing.isEmpty else { return }
        var kept = 0
        for index in departing.indices {
            if try Self.isComplete(&departing[index].request) { continue }
            departing.swapAt(kept, index)
            kept += 1
        }
        departing.removeLast(departing.count - kept)
    }

    // MARK: Receiving

    package func receive() throws -> (bytes: FixedBytes, rank: Int)? {
        try releaseSent()
        if let next = try nextArrived() { return next }
        var found: Int32 = 0
        var message = weft_mpi_message()
        try Self.check(weft_mpi_improbe(&found, &message), "MPI_Improbe")
        guard found != 0 else { return nil }
        let source = Int(message.source)
        let bytes = FixedBytes(count: Int(message.size))
        try Self.check(weft_mpi_mrecv(&message, bytes.buffer.baseAddress), "MPI_Mrecv of \(message.size) bytes from rank \(source)")
        let next = nodes[source] == nodes[rank] ? Arriving(message: bytes, parts: [], buffers: []) : try arrival(of: bytes, from: source)
        if next.parts.isEmpty, arriving[source] == nil { return (bytes, source) }
        arriving[source, default: []].append(next)
        return nil
    }

    /// Makes room for the buffers of a message from another node, and has them received.
    private func arrival(of message: FixedBytes, from source: Int) throws -> Arriving {
        var arriving = Arriving(message: message, parts: [], buffers: [])
        for (position, piece) in try Self.pieces(of: message) {
            guard piece.length <= UInt64(Int.max) else { throw StreamViolation("rank \(source) sent a buffer of \(piece.length) bytes") }
            let (arena, slot, offset, bytes) = try room(Int(piece.length))
            var moved: [UInt8] = []
            Chunk.Piece(
                process: UInt32(getpid()), descriptor: UInt32(arena.descriptor), offset: offset, length: piece.length,
                slot: UInt16(slot), reader: 0
            ).encode(into: &moved)
            UnsafeMutableRawBufferPointer(rebasing: message.buffer[position..<position + moved.count]).copyBytes(from: moved)
            for part in Self.parts(bytes.buffer) {
                var request = weft_mpi_request()
                try Self.check(
                    weft_mpi_irecv(part.baseAddress, part.count, Int32(source), WEFT_MPI_PART, &request),
                    "MPI_Irecv of \(part.count) bytes from rank \(source)")
                arriving.parts.append(request)
            }
            arriving.buffers.append(bytes)
        }
        return arriving
    }

    private func nextArrived() throws(MPIError) -> (bytes: FixedBytes, rank: Int)? {
        for source in arriving.keys.sorted() {
            guard var first = arriving[source]?.popFirst() else { continue }
            while var request = first.parts.last, try Self.isComplete(&request) { first.parts.removeLast() }
            if first.parts.isEmpty {
                if arriving[source]?.isEmpty == true { arriving[source] = nil }
                return (first.message, source)
            }
            arriving[source]?.prepend(first)
        }
        return nil
    }

    // MARK: Shared memory

    private func foreignArena(of piece: Chunk.Piece) throws(SharedMemoryError) -> ForeignArena {
        let key = UInt64(piece.process) << 32 | UInt64(piece.descriptor)
        if let known = foreign[key] { return known }
        let arena = try ForeignArena(process: piece.process, descriptor: piece.descriptor)
        foreign[key] = arena
        return arena
    }

    private func room(_ length: Int) throws(SharedMemoryError) -> (OwnArena, slot: Int, offset: UInt64, MappedBytes) {
        for arena in own {
            if let (slot, offset, bytes) = try arena.allocate(length) { return (arena, slot, offset, bytes) }
        }
        let arena = try OwnArena()
        own.append(arena)
        guard let (slot, offset, bytes) = try arena.allocate(length) else {
            throw SharedMemoryError(action: "make room for \(length) bytes of shared memory", code: ENOMEM)
        }
        return (arena, slot, offset, bytes)
    }

    /// The pieces that a message names, and where in it each is described.
    private static func pieces(of message: FixedBytes) throws(StreamViolation) -> [(position: Int, piece: Chunk.Piece)] {
        guard case .data(_, _, let batch) = try Message(message) else { return [] }
        var pieces: [(Int, Chunk.Piece)] = []
        try Chunk.forEach(in: batch.chunks) { chunk, range throws(StreamViolation) in
            for index in 0..<chunk.pieces {
                let position = range.lowerBound + chunk.piecesOffset + index * Chunk.Piece.size
                pieces.append((Batch.headroom + position, Chunk.Piece(UnsafeRawBufferPointer(rebasing: batch.chunks[position...]))))
            }
        }
        return pieces
    }

    private static func parts(_ bytes: UnsafeMutableRawBufferPointer) -> [UnsafeMutableRawBufferPointer] {
        stride(from: 0, to: bytes.count, by: partBytes).map {
            UnsafeMutableRawBufferPointer(rebasing: bytes[$0..<min($0 + partBytes, bytes.count)])
        }
    }

    // MARK: The end

    /// Whether every rank has asked this, so that none needs another any more. Ask until it is so.
    package func allHaveFinished() throws(MPIError) -> Bool {
        var request = barrier ?? weft_mpi_request()
        if barrier == nil { try Self.check(weft_mpi_ibarrier(&request), "MPI_Ibarrier") }
        let completed = try Self.isComplete(&request)
        barrier = request
        return completed
    }

    /// Leaves the job, once ``allHaveFinished()``.
    package func finalize() throws(MPIError) { try Self.check(weft_mpi_finalize(), "MPI_Finalize") }

    /// Ends every rank of the job.
    package func abort(code: Int32) -> Never { weft_mpi_abort(code) }

    private static func isComplete(_ request: inout weft_mpi_request) throws(MPIError) -> Bool {
        var completed: Int32 = 0
        try check(weft_mpi_test(&request, &completed), "MPI_Test")
        return completed != 0
    }

    private static func check(_ error: Int32, _ call: @autoclosure () -> String) throws(MPIError) {
        guard error != 0 else { return }
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(WEFT_MPI_TEXT)) { buffer in
            guard let start = buffer.baseAddress else { return "" }
            weft_mpi_error_text(error, start)
            return String(cString: start)
        }
        throw MPIError(description: "\(call()) failed: \(text)")
    }
}

/// A buffer in a worker's arena while it is being sent; the worker may use its place again when the last part has left.
private final class SharedPiece {
    let mapped: MappedBytes
    private let piece: Chunk.Piece
    private let arena: ForeignArena

    init(_ piece: Chunk.Piece, of arena: ForeignArena) throws(SharedMemoryError) {
        self.piece = piece
        self.arena = arena
        mapped = try arena.map(piece)
    }

    deinit { arena.release(piece) }
}
