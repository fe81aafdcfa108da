// SPDX-License-Identifier: Apache-2.0

/// Records of CSV files (RFC 4180): maps by the names of the header, or lists where there is none.
struct ReadCSV: LineOperation {
    enum Header { case first, none, names([Value]) }

    private struct Field {
        var text: String
        var isQuoted: Bool
    }

    let options: ReadingOptions
    let delimiter: UInt8
    let header: Header
    /// Fields that show numbers become numbers, empty ones null.
    let converts: Bool
    var reader: LineReader?
    /// Of the file at hand.
    private var names: [Value]?

    init(options: ReadingOptions, delimiter: UInt8, header: Header, converts: Bool) {
        self.options = options
        self.delimiter = delimiter
        self.header = header
        self.converts = converts
    }

    mutating func begin() throws(NativeError) { names = if case .names(let names) = header { names } else { nil } }

    mutating func advance(_ reader: inout LineReader, _ outputs: inout Outputs) throws(NativeError) -> Bool {
        guard let line = try reader.next() else { return false }
        guard !line.isEmpty else { return true }
        let first = reader.number
        let fields = try fields(of: line, &reader)
        let isHeader = if case .first = header { names == nil } else { false }
        guard !isHeader else {
            names = fields.map { .string($0.text) }
            return true
        }
        let values = fields.map { converts && !$0.isQuoted ? Self.convert($0.text) : .string($0.text) }
        guard let names else {
            outputs.write(.list(values))
            return true
        }
        guard values.count == names.count else {
            throw NativeError("line \(first) has \(values.count) fields, where the header has \(names.count)")
        }
        var map = ValueMap(capacity: names.count)
        for (name, value) in zip(names, values) { map[name] = value }
        outputs.write(.map(map))
        return true
    }

    private func fields(
        of first: ArraySlice<UInt8>, _ reader: inout LineReader
    ) throws(NativeError) -> [Field] {
        let number = reader.number
        let quote = UInt8(ascii: "\"")
        var line = first
        var fields: [Field] = []
        var index = line.startIndex
        while true {
            if index < line.endIndex, line[index] == quote {
                var content: [UInt8] = []
                index += 1
                while true {
                    guard index < line.endIndex else {
                        // The field goes on in the next line.
                        guard content.count < LineReader.maximumLine, let next = try reader.next() else {
                            throw NativeError("line \(number) has a field that is not closed: add '\"'")
                        }
                        content.append(UInt8(ascii: "\n"))
                        line = next
                        index = line.startIndex
                        continue
                    }
                    let byte = line[index]
                    index += 1
                    if byte != quote {
                        content.append(byte)
                    } else if index < line.endIndex, line[index] == quote {
                        content.append(quote)
                        index += 1
                    } else {
                        break
                    }
                }
                guard index == line.endIndex || line[index] == delimiter else {
                    throw NativeError(
                        "line \(reader.number) has more in a field after its closing '\"': double a '\"' that belongs to the field")
                }
                fields.append(Field(text: try content[...].text("line \(number)"), isQuoted: true))
            } else {
                let end = line[index...].firstIndex(of: delimiter) ?? line.endIndex
                fields.append(Field(text: try line[index..<end].text("line \(number)"), isQuoted: false))
                index = end
            }
            guard index < line.endIndex else { return fields }
            index += 1
        }
    }

    /// A number as it is usually written; what begins with more than one 0 is a code.
    private static func convert(_ text: String) -> Value {
        guard let first = text.utf8.first else { return .null }
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard digits.contains(first) || first == UInt8(ascii: "-") || first == UInt8(ascii: ".") || first == UInt8(ascii: "+") else {
            return .string(text)
        }
        let magnitude = text.utf8.drop { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
        let hasLeadingZero = magnitude.first == UInt8(ascii: "0") && magnitude.dropFirst().first.map(digits.contains) == true
        guard !hasLeadingZero, magnitude.allSatisfy({ digits.contains($0) || ".eE+-".utf8.contains($0) }) else { return .string(text) }
        if let integer = Int64(text) { return .int(integer) }
        if let number = Double(text), number.isFinite { return .double(number) }
        return .string(text)
    }
}
