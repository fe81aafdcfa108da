// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A file that cannot be read or written, and why.
package struct FileError: Error, CustomStringConvertible {
    package var description: String
    /// `errno`
    package var code: Int32

    package init(_ action: String, _ path: String, _ code: Int32) {
        self.code = code
        description = "cannot \(action) \(path): \(String(cString: strerror(code)))"
    }
}

/// Whole files of a few kilobytes, in which "not there" and "cannot be read" must never be mixed up.
package enum SmallFile {
    /// - Returns: `nil` when there is no such file, or the process that it tells of has ended.
    package static func read(_ path: String) throws(FileError) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT || errno == ESRCH || errno == ENOTDIR { return nil }
            throw FileError("read", path, errno)
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(file, &piece, piece.count)
            if count == 0 { return bytes }
            if count > 0 {
                bytes += piece[..<count]
            } else if errno == ESRCH {
                return nil
            } else if errno != EINTR {
                throw FileError("read", path, errno)
            }
        }
    }

    /// Whole or not at all: another process never sees half of it.
    package static func write(_ bytes: some Sequence<UInt8>, to path: String) throws(FileError) {
        let temporary = "\(path).\(getpid()).new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw FileError("write", path, errno) }
        let failure = Self.write(Array(bytes), to: file)
        close(file)
        let code = failure ?? (rename(temporary, path) == 0 ? nil : errno)
        if let code {
            unlink(temporary)
            throw FileError("write", path, code)
        }
    }

    /// - Returns: the error's number, if there was one.
    private static func write(_ bytes: [UInt8], to file: Int32) -> Int32? {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress.map { $0 + offset }, $0.count - offset) }
            if count < 0, errno != EINTR { return errno }
            offset += max(0, count)
        }
        return nil
    }

    /// The folder and those above it, as far as they are missing.
    package static func makeFolder(_ path: String) throws(FileError) {
        if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.dropFirst().lastIndex(of: "/") else { throw FileError("make the folder", path, errno) }
        try makeFolder(String(path[..<slash]))
        if mkdir(path, 0o777) != 0, errno != EEXIST { throw FileError("make the folder", path, errno) }
    }
}
