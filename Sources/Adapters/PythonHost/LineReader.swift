// SPDX-License-Identifier: Apache-2.0

/// Cuts what a process prints into lines. A line that is longer than the bound is cut into several.
package struct LineReader {
    package static let maximumLength = 16 << 10
    private var partial: [UInt8] = []

    package init() {}

    package mutating func read(_ bytes: UnsafeRawBufferPointer) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                lines.append(cut())
            } else {
                // Between two characters, if what comes is UTF-8.
                let startsCharacter = byte & 0xC0 != 0x80 || partial.count >= Self.maximumLength + 3
                if startsCharacter, partial.count >= Self.maximumLength { lines.append(cut()) }
                partial.append(byte)
            }
        }
        return lines
    }

    /// What was printed after the last end of a line.
    package mutating func end() -> String? { partial.isEmpty ? nil : cut() }

    private mutating func cut() -> String {
        defer { partial.removeAll(keepingCapacity: true) }
        if partial.last == UInt8(ascii: "\r") { partial.removeLast() }
        return String(decoding: partial, as: UTF8.self)
    }
}
