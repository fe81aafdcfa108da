// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import PythonPackage

/// The interpreter that a graph is tried with, and the `weft` package that it imports.
enum PythonPrograms {
    /// What `--python` names, else the active virtual environment's, else `python3` in `PATH`.
    static func interpreter(asked: String?, variables: [String: String]) throws(CommandFailure) -> String {
        if let asked {
            let path = asked.contains("/") ? asked : Executable.inPath(asked) ?? asked
            guard access(path, X_OK) == 0 else {
                throw CommandFailure("'\(asked)' is no program. Name a Python interpreter with --python.")
            }
            return path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
        }
        if let environment = variables["VIRTUAL_ENV"], access("\(environment)/bin/python", X_OK) == 0 { return "\(environment)/bin/python" }
        guard let found = Executable.inPath("python3") else {
            throw CommandFailure("There is no python3 in PATH. Activate a Python environment, or name an interpreter with --python.")
        }
        return found
    }

    /// The folder with the package. It is kept for the user, so that Python compiles it only once; where that cannot be, it is in
    /// the folder given.
    static func package(cache: String?, otherwise folder: String) throws -> String {
        let name = "python-\(String(digest, radix: 16))"
        if let cache {
            let path = "\(cache)/\(name)"
            if access(path, F_OK) == 0 { return path }
            // Whole or not at all, also where several begin at the same time.
            let new = "\(path).\(getpid())"
            if (try? write(to: new)) != nil, rename(new, path) == 0 || access(path, F_OK) == 0 {
                removeOthers(in: cache, but: name)
                return path
            }
            try? FileManager.default.removeItem(atPath: new)
        }
        try write(to: folder)
        return folder
    }

    private static func write(to folder: String) throws {
        for file in PythonPackage.files {
            let path = "\(folder)/\(file.path)"
            if let slash = path.lastIndex(of: "/") { try makeFolder(String(path[..<slash]), mode: 0o700) }
            try Data(file.contents).write(to: URL(filePath: path))
        }
    }

    /// Packages of earlier versions that nobody has begun to use for a month.
    private static func removeOthers(in cache: String, but name: String) {
        for other in (try? FileManager.default.contentsOfDirectory(atPath: cache)) ?? [] where other.hasPrefix("python-") && other != name {
            let changed = (try? FileManager.default.attributesOfItem(atPath: "\(cache)/\(other)"))?[.modificationDate] as? Date
            if let changed, changed.timeIntervalSinceNow < -30 * 86400 { try? FileManager.default.removeItem(atPath: "\(cache)/\(other)") }
        }
    }

    /// FNV-1a over names and contents.
    private static var digest: UInt64 {
        PythonPackage.files.reduce(0xCBF2_9CE4_8422_2325) { hash, file in
            let named = file.path.utf8.reduce(hash) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
            return file.contents.reduce(named) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        }
    }
}
