// SPDX-License-Identifier: Apache-2.0

import StreamEngine

/// The frames between a rank and its workers (`docs/worker-protocol.md`): `u32 length | u8 kind | body`.
enum Frame {
    static let headerSize = 5
    static let maximumLength = 1 << 30

    enum ToWorker: UInt8 { case input = 1, finish, go }
    enum FromWorker: UInt8 { case ready = 16, output, records, consumed, log, done, failed }

    static func header(_ kind: ToWorker, length: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16)
        bytes.appendLittleEndian(UInt32(length))
        bytes.append(kind.rawValue)
        return bytes
    }
}

/// Cuts what arrives from a worker, in pieces of any size, into frames.
struct FrameReader {
    private var header: [UInt8] = []
    private var body: [UInt8] = []
    /// Kind and length of the frame whose body is being read.
    private var current: (kind: Frame.FromWorker, length: Int)?

    /// Takes from `bytes` until a frame is complete or nothing is left.
    mutating func next(_ bytes: inout Slice<UnsafeRawBufferPointer>) throws(StreamViolation) -> (kind: Frame.FromWorker, body: [UInt8])? {
        if current == nil {
            let piece = bytes.prefix(Frame.headerSize - header.count)
            header.append(contentsOf: piece)
            bytes = bytes.dropFirst(piece.count)
            guard header.count == Frame.headerSize else { return nil }
            current = try Self.parse(header)
            header.removeAll(keepingCapacity: true)
            // A length that is only claimed must not cost memory.
            body.reserveCapacity(min(current?.length ?? 0, 1 << 20))
        }
        guard let (kind, length) = current else { return nil }
        let piece = bytes.prefix(length - body.count)
        body.append(contentsOf: piece)
        bytes = bytes.dropFirst(piece.count)
        guard body.count == length else { return nil }
        defer { body = [] }
        current = nil
        return (kind, body)
    }

    private static func parse(_ header: [UInt8]) throws(StreamViolation) -> (Frame.FromWorker, Int) {
        let length = header.withUnsafeBytes { Int($0.loadLittleEndian(UInt32.self, at: 0)) }
        guard let kind = Frame.FromWorker(rawValue: header[4]) else { throw StreamViolation("a frame of unknown kind \(header[4])") }
        guard length <= Frame.maximumLength else { throw StreamViolation("a frame of \(length) bytes, where 1 GiB is the most") }
        return (kind, length)
    }
}
