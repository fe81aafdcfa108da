// SPDX-License-Identifier: Apache-2.0

/// Where a reader finds what it reads.
struct ReadingOptions {
    private let files: any FileAccess
    /// Given as a parameter, for a source.
    private let path: String?
    /// Data are not paths but what is to be read.
    private let readsText: Bool

    init(_ arguments: Arguments, _ context: OperationContext) {
        files = context.files
        path = arguments.text("path")
        readsText = arguments.text("reads") == "text"
    }

    func open(_ value: Value?) throws(NativeError) -> any FileReader {
        if let path { return try files.open(path) }
        switch try value.required() {
        case .string(let text): return readsText ? MemoryReader(Array(text.utf8)) : try files.open(text)
        case .bytes(let bytes) where readsText: return MemoryReader(bytes)
        case let other:
            throw NativeError("\(readsText ? "text" : "the path of a file") is due, not \(other.typeName) (\(other.summary(limit: 80)))")
        }
    }
}

/// Bytes that are there already.
private final class MemoryReader: FileReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func read(_ count: Int) -> [UInt8] {
        let end = min(position + count, bytes.count)
        defer { position = end }
        return Array(bytes[position..<end])
    }
}

/// Cuts a file into lines.
struct LineReader {
    static let maximumLine = 16 << 20
    private static let block = 64 << 10

    private let file: any FileReader
    private var buffer: [UInt8] = []
    private var start = 0
    /// No line's end lies before it.
    private var searched = 0
    private var isAtEnd = false
    /// Of the line that was returned last, from 1.
    private(set) var number = 0

    init(_ file: any FileReader) { self.file = file }

    /// The next line without its end (`\n` or `\r\n`).
    mutating func next() throws(NativeError) -> ArraySlice<UInt8>? {
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { (start, searched) = (end + 1, end + 1) }
                number += 1
                let hasReturn = end > start && buffer[end - 1] == UInt8(ascii: "\r")
                return buffer[start..<(hasReturn ? end - 1 : end)]
            }
            if isAtEnd {
                guard start < buffer.count else { return nil }
                defer { (start, searched) = (buffer.count, buffer.count) }
                number += 1
                return buffer[start...]
            }
            guard buffer.count - start <= Self.maximumLine else {
                throw NativeError("line \(number + 1) is longer than \(Self.maximumLine >> 20) MiB: is this a text file?")
            }
            buffer.removeSubrange(..<start)
            (start, searched) = (0, buffer.count)
            let more = try file.read(Self.block)
            if more.isEmpty { isAtEnd = true } else { buffer += more }
        }
    }
}

extension ArraySlice<UInt8> {
    /// - Parameter place: where it is, for the error.
    func text(_ place: @autoclosure () -> String) throws(NativeError) -> String {
        guard let text = String(validating: self, as: UTF8.self) else { throw NativeError("\(place()) is not UTF-8 text") }
        return text
    }
}

/// A reader that writes something for each line, or for each few lines.
protocol LineOperation: Operation {
    var options: ReadingOptions { get }
    var reader: LineReader? { get set }

    /// Before the first line.
    mutating func begin() throws(NativeError)
    /// Writes what the next lines hold.
    /// - Returns: false at the end.
    mutating func advance(_ reader: inout LineReader, _ outputs: inout Outputs) throws(NativeError) -> Bool
}

extension LineOperation {
    mutating func begin() throws(NativeError) {}

    package mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        reader = LineReader(try options.open(value))
        try begin()
        return try resume(&outputs)
    }

    package mutating func resume(_ outputs: inout Outputs) throws(NativeError) -> Progress {
        guard var reader else { return .done }
        self.reader = nil
        while !outputs.isFull {
            guard try advance(&reader, &outputs) else { return .done }
        }
        self.reader = reader
        return .more
    }
}

/// The lines of files.
struct ReadLines: LineOperation {
    let options: ReadingOptions
    let skipsEmpty: Bool
    var reader: LineReader?

    mutating func advance(_ reader: inout LineReader, _ outputs: inout Outputs) throws(NativeError) -> Bool {
        guard let line = try reader.next() else { return false }
        if !line.isEmpty || !skipsEmpty { outputs.write(.string(try line.text("line \(reader.number)"))) }
        return true
    }
}

/// One JSON document for each line.
struct ReadNDJSON: LineOperation {
    let options: ReadingOptions
    var reader: LineReader?

    mutating func advance(_ reader: inout LineReader, _ outputs: inout Outputs) throws(NativeError) -> Bool {
        guard let line = try reader.next() else { return false }
        guard line.contains(where: { $0 != 0x20 && $0 != 0x09 }) else { return true }
        do { outputs.write(try JSONReader.read(line)) } catch { throw NativeError("line \(reader.number) holds \(error)") }
        return true
    }
}

/// Whole files, as text or as a JSON document.
struct ReadWhole: Operation {
    enum Form { case text, json(each: Bool) }

    private static let block = 1 << 20

    let options: ReadingOptions
    let form: Form
    /// Bytes.
    let limit: Int
    private var file: (any FileReader)?
    private var content: [UInt8] = []
    /// Items that wait to be written, and the next of them.
    private var items: (values: [Value], next: Int) = ([], 0)

    init(options: ReadingOptions, form: Form, limit: Int) {
        self.options = options
        self.form = form
        self.limit = limit
    }

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        (content, items) = ([], ([], 0))
        file = try options.open(value)
        return try resume(&outputs)
    }

    mutating func resume(_ outputs: inout Outputs) throws(NativeError) -> Progress {
        guard let file else { return writeItems(&outputs) }
        let more = try file.read(Self.block)
        content += more
        guard content.count <= limit else {
            throw NativeError("the file is larger than \(limit >> 20) MiB: raise 'limit', or read it in parts with lines or ndjson")
        }
        if !more.isEmpty { return .more }
        self.file = nil
        defer { content = [] }
        switch form {
        case .text: outputs.write(.string(try content[...].text("the file")))
        case .json(let each):
            let value = try JSONReader.read(content)
            guard each else {
                outputs.write(value)
                return .done
            }
            guard case .list(let values) = value else { throw NativeError("the document is \(value.typeName), where 'each' needs a list") }
            items = (values, 0)
            return writeItems(&outputs)
        }
        return .done
    }

    private mutating func writeItems(_ outputs: inout Outputs) -> Progress {
        while items.next < items.values.count, !outputs.isFull {
            outputs.write(items.values[items.next])
            items.next += 1
        }
        if items.next < items.values.count { return .more }
        items = ([], 0)
        return .done
    }
}
