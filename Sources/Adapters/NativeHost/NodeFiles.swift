// SPDX-License-Identifier: Apache-2.0

import Glibc
import NativeElements

/// The node's file system, seen from a working directory.
struct NodeFiles: FileAccess {
    private let directory: String

    /// - Parameter directory: links in it are followed now: the path of a file that is written must outlive them.
    init(directory: String) {
        let resolved = realpath(directory, nil)
        self.directory = resolved.map { String(cString: $0) } ?? directory
        free(resolved)
    }

    private func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "\(directory)/\(path)" }

    func kind(of path: String) throws(NativeError) -> FileKind? {
        var status = stat()
        guard stat(absolute(path), &status) == 0 else {
            let code = errno
            if code == ENOENT || code == ENOTDIR { return nil }
            throw failure("cannot look at", path, code)
        }
        return status.st_mode & S_IFMT == S_IFDIR ? .directory : .file
    }

    func entries(of directory: String) throws(NativeError) -> [(name: String, kind: FileKind)] {
        guard let stream = opendir(absolute(directory)) else {
            let code = errno
            if code == ENOENT { return [] }
            throw failure("cannot list", directory, code)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        var entries: [(name: String, kind: FileKind)] = []
        for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            // A link that leads nowhere is passed over.
            if let kind = try kind(of: "\(directory)/\(name)") { entries.append((name, kind)) }
        }
        return entries
    }

    func open(_ path: String) throws(NativeError) -> any FileReader {
        let descriptor = Glibc.open(absolute(path), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot read", path, errno) }
        return NodeFileReader(descriptor, path: path)
    }

    func create(_ path: String) throws(NativeError) -> any FileWriter {
        let path = absolute(path)
        try makeDirectories(above: path)
        return try NodeFileWriter(path)
    }

    private func makeDirectories(above path: String) throws(NativeError) {
        var index = path.startIndex
        while let slash = path[index...].dropFirst().firstIndex(of: "/") {
            let directory = String(path[..<slash])
            if mkdir(directory, 0o777) != 0, errno != EEXIST { throw failure("cannot make the directory", directory, errno) }
            index = slash
        }
    }
}

private func failure(_ what: String, _ path: String, _ code: Int32) -> NativeError {
    NativeError("\(what) \(path): \(String(cString: strerror(code)))")
}

private final class NodeFileReader: FileReader {
    private let descriptor: Int32
    private let path: String

    init(_ descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    func read(_ count: Int) throws(NativeError) -> [UInt8] {
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            var got: Int
            repeat { got = Glibc.read(descriptor, buffer.baseAddress, count) } while got < 0 && errno == EINTR
            if got < 0 { code = errno }
            filled = max(0, got)
        }
        guard code == 0 else { throw failure("cannot read", path, code) }
        return bytes
    }
}

/// Writes beside the file's place, under a name of its own, and takes the place when it is whole.
private final class NodeFileWriter: FileWriter {
    private let path: String
    private let temporary: String
    private let descriptor: Int32
    private var isCommitted = false

    init(_ path: String) throws(NativeError) {
        self.path = path
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let name = "\(path[..<slash])/.\(path[slash...].dropFirst()).\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
        let descriptor = Glibc.open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure("cannot write", path, errno) }
        self.descriptor = descriptor
        temporary = name
    }

    deinit {
        close(descriptor)
        if !isCommitted { unlink(temporary) }
    }

    func write(_ bytes: [UInt8]) throws(NativeError) {
        var position = 0
        while position < bytes.count {
            let (written, code) = bytes.withUnsafeBytes {
                (Glibc.write(descriptor, $0.baseAddress.map { $0 + position }, bytes.count - position), errno)
            }
            if written < 0, code == EINTR { continue }
            guard written >= 0 else { throw failure("cannot write", path, code) }
            position += written
        }
    }

    func commit() throws(NativeError) -> String {
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
            throw failure("cannot write", path, errno)
        }
        isCommitted = true
        return path
    }
}
