// SPDX-License-Identifier: Apache-2.0

/// Records that travel together from one worker to another, as raw bytes.
///
/// The bytes begin with room for a header, so that a batch becomes a message between ranks or a frame to a worker, and back,
/// without moving its records.
package struct Batch: Sendable, Hashable {
    /// Bytes in front of the records.
    package static let headroom = 16

    private var storage: [UInt8]
    package private(set) var count: Int

    package init(capacity: Int = 0) {
        storage = []
        storage.reserveCapacity(Self.headroom + capacity)
        storage.append(contentsOf: repeatElement(0, count: Self.headroom))
        count = 0
    }

    /// - Parameter message: bytes whose first ``headroom`` are a header, and whose rest are `count` records.
    init(message: [UInt8], count: Int) {
        storage = message
        self.count = count
    }

    /// Bytes of the records.
    package var size: Int { storage.count - Self.headroom }

    package mutating func append(_ record: UnsafeRawBufferPointer) {
        storage.append(contentsOf: record)
        count += 1
    }

    package func withRecords<T>(_ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
        try storage.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[Self.headroom...])) }
    }

    /// The records with `header` directly before them: from the second result on, the first.
    package consuming func prefixed(by header: some Collection<UInt8>) -> (bytes: [UInt8], offset: Int) {
        precondition(header.count <= Self.headroom, "a header must fit the headroom of a batch")
        let offset = Self.headroom - header.count
        storage.replaceSubrange(offset..<Self.headroom, with: header)
        return (storage, offset)
    }
}
