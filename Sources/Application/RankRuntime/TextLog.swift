// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// The rank's log for people: `2026-01-31T12:00:00.250Z Split1[0] stdout the text`, one line each.
struct TextLog {
    private static let bufferBytes = 64 << 10
    private static let bufferAge: Int64 = 100_000_000

    private var file: AppendFile
    private var buffer: [UInt8] = []
    private var begunAt: Int64 = 0

    init(path: String) throws(StorageError) { file = try AppendFile(creating: path) }

    mutating func append(_ text: String, from speaker: String, stream: LogLine.Stream, at wall: Int64, now: Int64) throws(StorageError) {
        if buffer.isEmpty { begunAt = now }
        buffer += "\(WireJSON.format(Clock.date(wall))) \(speaker) \(stream.rawValue) \(text)\n".utf8
        if buffer.count >= Self.bufferBytes { try flush() }
    }

    /// Writes what has waited for long enough.
    mutating func tick(_ now: Int64) throws(StorageError) {
        if !buffer.isEmpty, begunAt + Self.bufferAge <= now { try flush() }
    }

    mutating func flush() throws(StorageError) {
        guard !buffer.isEmpty else { return }
        try file.append(buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}
