// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A file of the rank could not be written or read.
struct StorageError: Error {
    let path: String
    let code: Int32
    var isWriting = true

    var reason: String { String(cString: strerror(code)) }
}

/// A file that only grows.
struct AppendFile {
    let path: String
    private let descriptor: Int32
    private(set) var size = 0

    /// - Throws: `EEXIST` when the file is there: an attempt is started once, and what it recorded is never overwritten.
    init(creating path: String) throws(StorageError) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o644)
        self.path = path
        guard descriptor >= 0 else { throw StorageError(path: path, code: errno) }
    }

    /// One `write`, unless the system takes less than it was given. What cannot be written as a whole leaves no trace, so that
    /// the file can grow again once the disk has room.
    mutating func append(_ bytes: [UInt8]) throws(StorageError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress.map { $0 + written }, $0.count - written) }
            if count >= 0 {
                written += count
            } else if errno != EINTR {
                let code = errno
                ftruncate(descriptor, size)
                throw StorageError(path: path, code: code)
            }
        }
        size += bytes.count
    }

    /// Waits until the disk has what was appended.
    func sync() throws(StorageError) {
        guard fdatasync(descriptor) == 0 else { throw StorageError(path: path, code: errno) }
    }
}
