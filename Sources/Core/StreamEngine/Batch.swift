// SPDX-License-Identifier: Apache-2.0

/// Bytes at an address that does not change while anybody holds them, for calls that go on with them after they return.
package final class FixedBytes {
    package let buffer: UnsafeMutableRawBufferPointer

    /// The bytes are whatever was there.
    package init(count: Int) { buffer = .allocate(byteCount: count, alignment: 16) }

    package convenience init(_ bytes: [UInt8]) {
        self.init(count: bytes.count)
        buffer.copyBytes(from: bytes)
    }

    deinit { buffer.deallocate() }

    package var count: Int { buffer.count }
}

/// Bytes behind room for the header of the batch that they may become as they are.
package struct PaddedBytes {
    fileprivate let storage: FixedBytes

    /// The bytes are whatever was there.
    package init(count: Int) { storage = FixedBytes(count: Batch.headroom + count) }

    package init(_ bytes: [UInt8]) {
        self.init(count: bytes.count)
        buffer.copyBytes(from: bytes)
    }

    package var count: Int { storage.count - Batch.headroom }
    package var buffer: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: storage.buffer[Batch.headroom...]) }
}

/// Chunks that travel together from one worker to another.
///
/// The bytes begin with room for a header, so that a batch becomes a message between ranks or a frame to a worker, and back,
/// without moving its chunks.
package struct Batch {
    /// Bytes in front of the chunks.
    package static let headroom = 24

    package let storage: FixedBytes
    /// Bytes of the chunks with all that belongs to them: what credit is counted in.
    package let weight: Int

    /// - Parameter message: bytes whose first ``headroom`` are a header, and whose rest are chunks.
    package init(message: FixedBytes, weight: Int) {
        storage = message
        self.weight = weight
    }

    /// - Parameter parts: at least one. All that a worker has written in one go is taken as it is, and nothing else uses it any more.
    init(_ parts: [ChunkSlice]) {
        weight = parts.reduce(0) { $0 + $1.weight }
        if parts.count == 1, parts[0].isWhole {
            storage = parts[0].body.storage
            return
        }
        storage = FixedBytes(count: parts.reduce(Self.headroom) { $0 + $1.range.count })
        var position = Self.headroom
        for part in parts {
            UnsafeMutableRawBufferPointer(rebasing: storage.buffer[position..<position + part.range.count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: part.body.buffer[part.range]))
            position += part.range.count
        }
    }

    /// Bytes of the chunks themselves.
    package var size: Int { storage.count - Self.headroom }

    package var chunks: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage.buffer[Self.headroom...]) }

    /// Puts a header directly before the chunks.
    /// - Returns: where it begins in ``storage``.
    package func prefix(_ header: some Collection<UInt8>) -> Int {
        precondition(header.count <= Self.headroom, "a header must fit the headroom of a batch")
        let offset = Self.headroom - header.count
        UnsafeMutableRawBufferPointer(rebasing: storage.buffer[offset..<Self.headroom]).copyBytes(from: header)
        return offset
    }
}

/// A chunk within what a worker wrote.
struct ChunkSlice {
    var body: PaddedBytes
    var range: Range<Int>
    var weight: Int

    /// The worker wrote nothing else with it.
    var isWhole: Bool { range.count == body.count }
}
