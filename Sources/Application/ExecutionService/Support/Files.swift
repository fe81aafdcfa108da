// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The few file operations that the use cases need. Paths are absolute.
enum Files {
    static func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

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
        try Data(bytes).write(to: URL(filePath: path), options: .atomic)
    }

    static func read(_ path: String) -> [UInt8]? { (try? Data(contentsOf: URL(filePath: path))).map(Array.init) }

    static func readText(_ path: String, last limit: Int) -> String {
        guard let handle = FileHandle(forReadingAtPath: path), let size = try? handle.seekToEnd() else { return "" }
        defer { try? handle.close() }
        try? handle.seek(toOffset: size > UInt64(limit) ? size - UInt64(limit) : 0)
        return String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self)
    }

    /// At most `limit` bytes from `offset` on; empty when the file does not reach so far or does not exist.
    static func read(_ path: String, from offset: Int64, limit: Int) throws -> [UInt8] {
        guard let handle = FileHandle(forReadingAtPath: path) else { return [] }
        defer { try? handle.close() }
        try handle.seek(toOffset: UInt64(offset))
        return Array(try handle.read(upToCount: limit) ?? Data())
    }
}
