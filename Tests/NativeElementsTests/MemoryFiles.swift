// SPDX-License-Identifier: Apache-2.0

import NativeElements
import WorkflowModel

/// A file system in memory.
final class MemoryFiles: FileAccess {
    var contents: [String: [UInt8]] = [:]

    init(_ files: [String: String] = [:]) { contents = files.mapValues { Array($0.utf8) } }

    func text(_ path: String) -> String? { contents[path].map { String(decoding: $0, as: UTF8.self) } }

    private func below(_ directory: String) -> [Substring] {
        let prefix = directory == "." ? "" : directory == "/" ? "/" : "\(directory)/"
        return contents.keys.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count) }
    }

    func kind(of path: String) -> FileKind? { contents[path] != nil ? .file : below(path).isEmpty ? nil : .directory }

    func entries(of directory: String) -> [(name: String, kind: FileKind)] {
        let names = Dictionary(grouping: below(directory)) { String($0.split(separator: "/")[0]) }
        return names.sorted { $0.key < $1.key }.map { ($0.key, $0.value.contains { $0.contains("/") } ? .directory : .file) }
    }

    func open(_ path: String) throws(NativeError) -> any FileReader {
        guard let bytes = contents[path] else { throw NativeError("cannot read \(path): no such file") }
        return Reader(bytes)
    }

    func create(_ path: String) -> any FileWriter { Writer(self, path) }

    private final class Reader: FileReader {
        private var rest: ArraySlice<UInt8>

        init(_ bytes: [UInt8]) { rest = bytes[...] }

        /// Little at a time, so that what is read is cut anywhere.
        func read(_ count: Int) -> [UInt8] {
            defer { rest = rest.dropFirst(min(count, 7)) }
            return Array(rest.prefix(min(count, 7)))
        }
    }

    private final class Writer: FileWriter {
        private let files: MemoryFiles
        private let path: String
        private var bytes: [UInt8] = []

        init(_ files: MemoryFiles, _ path: String) {
            self.files = files
            self.path = path
        }

        func write(_ bytes: [UInt8]) { self.bytes += bytes }

        func commit() -> String {
            files.contents[path] = bytes
            return "/work/\(path)"
        }
    }
}

extension NativeCatalogue {
    /// All that an operation writes.
    /// - Parameter data: `nil` stands for an item of a source without input.
    static func run(
        _ name: String, _ parameters: [String: JSONValue] = [:], _ data: [Value?], files: MemoryFiles = MemoryFiles(), replica: Int = 0
    ) throws -> [Value] {
        guard let description = operation(name) else { throw NativeError(unknown(name)) }
        var operation = try description.make(parameters, OperationContext(files: files, replica: replica))
        var written: [Value] = []
        func all(_ step: (inout Outputs) throws -> NativeElements.Progress, _ again: (inout Outputs) throws -> NativeElements.Progress)
            throws
        {
            var outputs = Outputs()
            var progress = try step(&outputs)
            written += outputs.values
            while progress == .more {
                outputs.removeAll()
                progress = try again(&outputs)
                written += outputs.values
            }
        }
        for value in data { try all({ try operation.process(value, &$0) }, { try operation.resume(&$0) }) }
        try all({ try operation.finish(&$0) }, { try operation.finish(&$0) })
        return written
    }

    static func run(_ name: String, _ parameters: [String: JSONValue] = [:], json: String..., files: MemoryFiles = MemoryFiles()) throws
        -> String
    {
        let written = try run(name, parameters, try json.map { try JSONReader.read(Array($0.utf8)) }, files: files)
        return try written.map { value in
            var bytes: [UInt8] = []
            try JSONWriter.append(value, to: &bytes)
            return String(decoding: bytes, as: UTF8.self)
        }.joined(separator: " ")
    }
}
