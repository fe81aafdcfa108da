// SPDX-License-Identifier: Apache-2.0

import CPosix
import Glibc

/// Files that users name on the command line.
enum TextFile {
    static let maximumSize = 64 << 20

    /// `-` is standard input.
    static func read(_ path: String) throws(CommandFailure) -> String {
        let bytes = try bytes(path)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw CommandFailure("'\(path)' is not text in UTF-8.") }
        return text
    }

    /// `-` is standard input.
    static func bytes(_ path: String, maximumSize: Int = maximumSize) throws(CommandFailure) -> [UInt8] {
        let descriptor = path == "-" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw systemFailure("'\(path)' cannot be read") }
        defer { close(descriptor) }
        var status = weft_file_status()
        if weft_status_of_descriptor(descriptor, &status) == 0, status.kind == WEFT_FILE_FOLDER {
            throw CommandFailure("'\(path)' is a folder, not a file.")
        }
        let bytes = readBytes(of: descriptor, limit: maximumSize + 1)
        guard bytes.count <= maximumSize else { throw CommandFailure("'\(path)' is larger than \(maximumSize >> 20) MiB.") }
        return bytes
    }
}

/// To its end, or to the first error.
func readBytes(of descriptor: Int32, limit: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while bytes.count < limit {
        let got = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, min($0.count, limit - bytes.count)) }
        if got < 0 && errno == EINTR { continue }
        if got <= 0 { break }
        bytes += buffer.prefix(got)
    }
    return bytes
}
