// SPDX-License-Identifier: Apache-2.0

import CPosix
import Glibc

/// The end of a program's log, for a message that says why it failed.
enum LogTail {
    private static let maximumSize = 16 << 10

    /// What the log holds after `start` bytes, at most so many lines of it; empty when there is nothing to show.
    static func of(_ path: String, after start: off_t = 0, lines count: Int = 15, fallback: String = "") -> String {
        let logged = read(path, after: start)
        let lines = (logged ?? fallback).split(separator: "\n").suffix(count)
        guard !lines.isEmpty else { return "" }
        let heading = logged == nil ? "It said:" : "The end of \(path):"
        return " \(heading)\n" + lines.map { "  " + String($0).printable }.joined(separator: "\n")
    }

    static func size(of path: String) -> off_t {
        var status = weft_file_status()
        return weft_status_of_path(path, &status) == 0 ? off_t(status.size) : 0
    }

    private static func read(_ path: String, after start: off_t) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let end = lseek(descriptor, 0, SEEK_END)
        lseek(descriptor, max(start, end - off_t(maximumSize)), SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: maximumSize)
        let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }
}
