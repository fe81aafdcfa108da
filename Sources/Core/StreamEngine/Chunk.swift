// SPDX-License-Identifier: Apache-2.0

/// The fixed part of a chunk: data that one worker wrote for one instance on one edge (`docs/worker-protocol.md`).
package struct Chunk: Sendable, Hashable {
    package static let headerSize = 24

    /// A buffer in shared memory that belongs to a chunk.
    package struct Piece: Sendable, Hashable {
        package static let size = 32

        /// The bytes lie at `offset` in `/proc/<process>/fd/<descriptor>`.
        package var process: UInt32
        package var descriptor: UInt32
        package var offset: UInt64
        package var length: UInt64
        /// Flag to be set when nobody needs the buffer any more.
        package var slot: UInt16
        package var reader: UInt8

        package init(process: UInt32, descriptor: UInt32, offset: UInt64, length: UInt64, slot: UInt16, reader: UInt8) {
            self.process = process
            self.descriptor = descriptor
            self.offset = offset
            self.length = length
            self.slot = slot
            self.reader = reader
        }

        package init(_ bytes: UnsafeRawBufferPointer) {
            process = bytes.loadLittleEndian(UInt32.self, at: 0)
            descriptor = bytes.loadLittleEndian(UInt32.self, at: 4)
            offset = bytes.loadLittleEndian(UInt64.self, at: 8)
            length = bytes.loadLittleEndian(UInt64.self, at: 16)
            slot = bytes.loadLittleEndian(UInt16.self, at: 24)
            reader = bytes[26]
        }

        package func encode(into bytes: inout [UInt8]) {
            bytes.appendLittleEndian(process)
            bytes.appendLittleEndian(descriptor)
            bytes.appendLittleEndian(offset)
            bytes.appendLittleEndian(length)
            bytes.appendLittleEndian(slot)
            bytes.append(reader)
            bytes.append(contentsOf: repeatElement(0, count: 5))
        }
    }

    /// Bytes of the whole chunk, pieces' buffers not counted.
    package var length: Int
    package var edge: Int
    /// The receiving worker's number among those of its stage.
    package var replica: Int
    /// Data in it.
    package var count: Int
    /// The ids are a list, not a progression.
    package var listsIDs: Bool
    /// The content lies in the first piece.
    package var contentIsPiece: Bool
    package var pieces: Int
    /// Bytes, those of pieces included.
    package var weight: Int

    /// Where the pieces begin, from the chunk's start.
    package var piecesOffset: Int { Self.headerSize + (listsIDs ? 8 * count : 16) }
    package var contentOffset: Int { piecesOffset + Piece.size * pieces }

    package init(
        length: Int, edge: Int, replica: Int, count: Int, listsIDs: Bool, contentIsPiece: Bool = false, pieces: Int = 0, weight: Int
    ) {
        self.length = length
        self.edge = edge
        self.replica = replica
        self.count = count
        self.listsIDs = listsIDs
        self.contentIsPiece = contentIsPiece
        self.pieces = pieces
        self.weight = weight
    }

    /// - Parameter bytes: what begins with a chunk.
    package init(_ bytes: UnsafeRawBufferPointer) throws(StreamViolation) {
        guard bytes.count >= Self.headerSize else { throw StreamViolation("chunks that end in the middle of a header") }
        let form = bytes[12]
        guard form & 0x7E == 0 else { throw StreamViolation("a chunk of unknown form \(form)") }
        let weight = bytes.loadLittleEndian(UInt64.self, at: 16)
        // So that sums of weights cannot overflow.
        guard weight <= 1 << 48 else { throw StreamViolation("a chunk of \(weight) bytes") }
        self.init(
            length: Int(bytes.loadLittleEndian(UInt32.self, at: 0)), edge: Int(bytes.loadLittleEndian(UInt16.self, at: 4)),
            replica: Int(bytes.loadLittleEndian(UInt16.self, at: 6)), count: Int(bytes.loadLittleEndian(UInt32.self, at: 8)),
            listsIDs: form & 1 != 0, contentIsPiece: form & 0x80 != 0, pieces: Int(bytes.loadLittleEndian(UInt16.self, at: 14)),
            weight: Int(weight))
        guard count > 0, length >= contentOffset, length <= bytes.count, !contentIsPiece || pieces > 0 && length == contentOffset else {
            throw StreamViolation("a chunk whose parts do not fit its \(length) bytes")
        }
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(UInt32(length))
        bytes.appendLittleEndian(UInt16(edge))
        bytes.appendLittleEndian(UInt16(replica))
        bytes.appendLittleEndian(UInt32(count))
        bytes.append((listsIDs ? 1 : 0) | (contentIsPiece ? 0x80 : 0))
        bytes.append(0)
        bytes.appendLittleEndian(UInt16(pieces))
        bytes.appendLittleEndian(UInt64(weight))
    }

    /// Calls `body` with each of the chunks that `bytes` consist of, and with the chunk's place among them.
    package static func forEach(
        in bytes: UnsafeRawBufferPointer, _ body: (Chunk, Range<Int>) throws(StreamViolation) -> Void
    ) throws(StreamViolation) {
        var offset = 0
        while offset < bytes.count {
            let chunk = try Chunk(UnsafeRawBufferPointer(rebasing: bytes[offset...]))
            try body(chunk, offset..<offset + chunk.length)
            offset += chunk.length
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The integer that starts at `offset`; the caller has checked that it lies within.
    package func loadLittleEndian<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
        T(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
}

extension [UInt8] {
    package mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
