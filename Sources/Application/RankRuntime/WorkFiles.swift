// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials
import Glibc

/// The files that an application left in its working directory, which was empty when it began.
struct WorkFiles {
    /// More are not listed.
    static let maximum = 10_000
    /// Entries of folders that are looked at.
    private static let maximumEntries = 200_000
    /// Bytes read for digests, over all files.
    static let maximumDigested: Int64 = 64 << 30

    struct File: Equatable {
        /// Below the folder.
        var name: String
        var size: Int64
        /// When it was last changed, in nanoseconds since 1970.
        var changedAt: Int64
    }

    let folder: String
    /// In the order of their names.
    private(set) var files: [File] = []
    /// Whether there are no others.
    private(set) var areAll = true
    private var undigested = maximumDigested

    init(in folder: String) {
        self.folder = folder
        var entries = 0
        var folders = [""]
        while let next = folders.popLast() {
            guard areAll, let directory = opendir(next.isEmpty ? folder : "\(folder)/\(next)") else { continue }
            defer { closedir(directory) }
            while let entry = readdir(directory) {
                var name = entry.pointee.d_name
                let text = withUnsafeBytes(of: &name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                if text == "." || text == ".." { continue }
                var status = stat()
                // Links are not followed: what they lead to is not here.
                let found = withUnsafeBytes(of: &name) { bytes in
                    bytes.assumingMemoryBound(to: CChar.self).baseAddress.map {
                        fstatat(dirfd(directory), $0, &status, AT_SYMLINK_NOFOLLOW)
                    }
                }
                guard found == 0 else { continue }
                entries += 1
                let path = next.isEmpty ? text : "\(next)/\(text)"
                let kind = status.st_mode & S_IFMT
                let isFile = kind == S_IFREG
                guard entries <= Self.maximumEntries, !isFile || files.count < Self.maximum else {
                    areAll = false
                    break
                }
                if isFile {
                    let changedAt = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
                    files.append(File(name: path, size: Int64(status.st_size), changedAt: changedAt))
                } else if kind == S_IFDIR {
                    folders.append(path)
                }
            }
        }
        files.sort { $0.name < $1.name }
    }

    func location(of file: File) -> String { "\(folder)/\(file.name)" }

    /// SHA-256 in hex.
    /// - Parameter proceed: called now and then; what it throws ends the work.
    /// - Returns: nil for a file that cannot be read, or that there is no time for.
    mutating func digest(of file: File, _ proceed: () throws -> Void) throws -> String? {
        guard file.size <= undigested else { return nil }
        undigested -= file.size
        let descriptor = open(location(of: file), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var hash = SHA256()
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = piece.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { break }
            guard count > 0 || errno == EINTR else { return nil }
            if count > 0 { piece.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<count])) } }
            try proceed()
        }
        return hash.finalize().map { (byte: UInt8) in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}
