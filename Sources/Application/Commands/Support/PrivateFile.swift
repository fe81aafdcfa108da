// SPDX-License-Identifier: Apache-2.0

import CPosix
import Glibc

/// Small files that only their owner may read.
enum PrivateFile {
    private static let maximumSize = 1 << 20

    /// `nil` when there is no such regular file, it cannot be read, it is larger than 1 MiB, or it belongs to another user.
    static func read(_ path: String, ownedBy owner: UInt32? = nil) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = weft_file_status()
        guard weft_status_of_descriptor(descriptor, &status) == 0, status.kind == WEFT_FILE_REGULAR, status.size <= maximumSize,
            owner == nil || status.user == owner
        else { return nil }
        return String(decoding: readBytes(of: descriptor, limit: maximumSize), as: UTF8.self)
    }

    /// A file of `/proc`, which has no size.
    static func readSystemFile(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let bytes = readBytes(of: descriptor, limit: maximumSize)
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    /// Replaces the file as a whole: a reader sees the old text or the new, never a part, and nobody else ever sees either.
    static func write(_ text: String, to path: String) throws(CommandFailure) {
        let temporary = "\(path).\(getpid())"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw systemFailure("'\(path)' cannot be written") }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else {
                let failure = systemFailure("'\(path)' cannot be written")
                close(descriptor)
                unlink(temporary)
                throw failure
            }
            rest = rest.dropFirst(written)
        }
        close(descriptor)
        guard rename(temporary, path) == 0 else {
            let failure = systemFailure("'\(path)' cannot be replaced")
            unlink(temporary)
            throw failure
        }
    }
}

/// The sentence and what `errno` says of it.
func systemFailure(_ sentence: String) -> CommandFailure {
    CommandFailure("\(sentence): \(String(cString: strerror(errno))).")
}

/// Makes the folder and those above it; one that is there already keeps its mode.
func makeFolder(_ path: String, mode: mode_t = 0o755) throws(CommandFailure) {
    var status = weft_file_status()
    if weft_status_of_path(path, &status) == 0 && status.kind == WEFT_FILE_FOLDER { return }
    if let slash = path.lastIndex(of: "/"), slash != path.startIndex { try makeFolder(String(path[..<slash])) }
    guard mkdir(path, mode) == 0 || errno == EEXIST else { throw systemFailure("The folder '\(path)' cannot be made") }
}
