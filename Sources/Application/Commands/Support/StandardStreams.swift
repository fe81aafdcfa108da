// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Data go to standard output, everything said about them to standard error.
enum StandardStreams {
    static func output(_ text: String) { output(bytes: Array((text + "\n").utf8)) }
    static func output(bytes: [UInt8]) {
        if !write(bytes, to: STDOUT_FILENO) { exit(ExitStatus.error.rawValue) }
    }
    static func chatter(_ text: String) { drawChatter(text + "\n") }

    /// For a command that has to clear up first when nobody reads any more.
    static func outputToReader(_ text: String) throws(SilentExit) { try outputToReader(bytes: Array((text + "\n").utf8)) }
    static func outputToReader(bytes: [UInt8]) throws(SilentExit) {
        if !write(bytes, to: STDOUT_FILENO) { throw SilentExit(status: .error) }
    }

    /// Without a line break, for lines that are redrawn.
    static func draw(_ text: String) { output(bytes: Array(text.utf8)) }
    static func drawChatter(_ text: String) { _ = write(Array(text.utf8), to: STDERR_FILENO) }

    /// - Returns: whether the reader is still there (it is not in `weft … | head`).
    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written >= 0 {
                rest = rest.dropFirst(written)
            } else if errno == EAGAIN {
                var readiness = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&readiness, 1, -1)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}
