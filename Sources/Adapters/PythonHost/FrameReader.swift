// SPDX-License-Identifier: Apache-2.0

import StreamEngine

/// The frames between a rank and its workers (`docs/worker-protocol.md`): `u32 length | u8 kind | body`.
enum Frame {
    static let headerSize = 5
    static let maximumLength = 1 << 30

    enum ToWorker: UInt8 { case input = 1, finish, go, checkpoint }
    enum FromWorker: UInt8 { case ready = 16, output, records, consumed, log, done, failed, checkpointed, paused, last }

    static func header(_ kind: ToWorker, length: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Batch.headroom)
        bytes.appendLittleEndian(UInt32(length))
        bytes.append(kind.rawValue)
        return bytes
    }
}

/// Cuts what arrives from a worker, in pieces of any size, into frames.
struct FrameReader {
    private var header: [UInt8] = []
    /// Kind of the frame whose body is being read; of the body the first `filled` bytes are there.
    private var kind: Frame.FromWorker?
    private var body = PaddedBytes(count: 0)
    private var filled = 0

    /// Takes from `bytes` until a frame is complete or nothing is left.
    mutating func next(_ bytes: inout Slice<UnsafeRawBufferPointer>) throws(StreamViolation) -> (kind: Frame.FromWorker, body: PaddedBytes)?
    {
        if kind == nil {
            let piece = bytes.prefix(Frame.headerSize - header.count)
            header.append(contentsOf: piece)
            bytes = bytes.dropFirst(piece.count)
            guard header.count == Frame.headerSize else { return nil }
            try begin()
        }
        let taken = withRest { rest in
            let piece = bytes.prefix(rest.count)
            rest.copyBytes(from: piece)
            return piece.count
        }
        bytes = bytes.dropFirst(taken)
        guard let kind, filled == body.count else { return nil }
        defer { body = PaddedBytes(count: 0) }
        self.kind = nil
        filled = 0
        return (kind, body)
    }

    /// Lets the rest of the current body, which may be nothing, be written straight to its place.
    /// - Parameter fill: writes to the beginning of the buffer, and tells how much.
    mutating func withRest(_ fill: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        let count = fill(UnsafeMutableRawBufferPointer(rebasing: body.buffer[filled...]))
        filled += count
        return count
    }

    private mutating func begin() throws(StreamViolation) {
        let length = header.withUnsafeBytes { Int($0.loadLittleEndian(UInt32.self, at: 0)) }
        guard let kind = Frame.FromWorker(rawValue: header[4]) else { throw StreamViolation("a frame of unknown kind \(header[4])") }
        guard length <= Frame.maximumLength else { throw StreamViolation("a frame of \(length) bytes, where 1 GiB is the most") }
        header.removeAll(keepingCapacity: true)
        self.kind = kind
        // The bytes are whatever was there, and nobody sees them before `filled` has passed them all. A length that is only
        // claimed costs no memory, since it is not touched.
        body = PaddedBytes(count: length)
    }
}
