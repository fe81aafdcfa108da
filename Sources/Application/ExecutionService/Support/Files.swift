// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import Glibc

/// The few file operations that the use cases need. Paths are absolute.
enum Files {
    static func makeFolder(_ path: String) throws { try SmallFile.makeFolder(path) }

    static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

    static func removeContents(of folder: String, olderThan seconds: Double) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
            guard let changed = attributes?[.modificationDate] as? Date, -changed.timeIntervalSinceNow > seconds else { continue }
            remove("\(folder)/\(name)")
        }
    }

    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// Whole or not at all: another process never sees half of it.
    static func write(_ bytes: some Sequence<UInt8>, to path: String) throws {
        try SmallFile.write(bytes, to: path)
    }

    static func readText(_ path: String, last limit: Int) -> String {
        guard let handle = FileHandle(forReadingAtPath: path), let size = try? handle.seekToEnd() else { return "" }
        defer { try? handle.close() }
        try? handle.seek(toOffset: size > UInt64(limit) ? size - UInt64(limit) : 0)
        return String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self)
    }

    /// At most `limit` bytes from `offset` on; empty when the file does not reach so far or does not exist.
    static func read(_ path: String, from offset: Int64, limit: Int) throws(FileError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return [] }
            throw FileError("read", path, errno)
        }
        defer { close(file) }
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            let result = pread(file, buffer.baseAddress, limit, off_t(offset))
            if result < 0 { code = errno }
            count = max(0, result)
        }
        guard code == 0 || code == EINTR else { throw FileError("read", path, code) }
        return bytes
    }
}
