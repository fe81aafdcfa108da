// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Data go to standard output, everything said about them to standard error.
enum StandardStreams {
    static func output(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }
    static func output(bytes: [UInt8]) { write(bytes, to: STDOUT_FILENO) }
    static func chatter(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

    /// Without a line break, for lines that are redrawn.
    static func draw(_ text: String) { write(text, to: STDOUT_FILENO) }

    private static func write(_ text: String, to descriptor: Int32) { write(Array(text.utf8), to: descriptor) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written >= 0 {
                rest = rest.dropFirst(written)
            } else if errno == EAGAIN {
                var readiness = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&readiness, 1, -1)
            } else if errno != EINTR {
                // The reader went away (`weft … | head`): there is nobody left to tell.
                if descriptor == STDOUT_FILENO { exit(ExitStatus.error.rawValue) }
                return
            }
        }
    }
}
