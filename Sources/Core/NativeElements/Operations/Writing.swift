// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// Writes all its data to one file, which appears under its name, whole, when the stream has ended; then its path is written
/// to the output.
struct WriteFile: Operation {
    enum Form {
        /// Texts one after another.
        case text
        /// A line each.
        case lines
        /// A line of JSON each.
        case ndjson
        /// An array of all.
        case json
        case csv(CSVForm)

        /// As the provenance tells it.
        var mediaType: String {
            switch self {
            case .text, .lines: "text/plain"
            case .ndjson: "application/x-ndjson"
            case .json: "application/json"
            case .csv: "text/csv"
            }
        }
    }

    struct CSVForm {
        var delimiter: UInt8
        var hasHeader: Bool
        /// By the first datum, where they are not given.
        var columns: [String]?
    }

    private static let block = 64 << 10

    private let files: any FileAccess
    private let path: String
    private var form: Form
    private var file: (any FileWriter)?
    private var buffer: [UInt8] = []
    private var count = 0

    init(files: any FileAccess, path: String, form: Form) {
        self.files = files
        self.path = path
        self.form = form
    }

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        let datum = try value.required()
        let start = buffer.count
        do {
            try append(datum)
        } catch {
            // A datum that is skipped leaves nothing behind.
            buffer.removeSubrange(start...)
            throw error
        }
        count += 1
        if buffer.count >= Self.block { try flush() }
        return .done
    }

    private mutating func append(_ datum: Value) throws(NativeError) {
        switch form {
        case .text: buffer += try datum.text.utf8
        case .lines:
            buffer += try datum.text.utf8
            buffer.append(UInt8(ascii: "\n"))
        case .ndjson:
            try JSONWriter.append(datum, to: &buffer)
            buffer.append(UInt8(ascii: "\n"))
        case .json:
            buffer += count == 0 ? "[\n".utf8 : ",\n".utf8
            try JSONWriter.append(datum, to: &buffer)
        case .csv(var csv):
            if csv.columns == nil, case .map(let map) = datum {
                csv.columns = try map.entries.map { entry throws(NativeError) in try entry.key.text }
            }
            if count == 0, csv.hasHeader, let columns = csv.columns { appendRecord(columns, csv.delimiter) }
            appendRecord(try Self.fields(of: datum, csv.columns), csv.delimiter)
            form = .csv(csv)
        }
    }

    private static func fields(of datum: Value, _ columns: [String]?) throws(NativeError) -> [String] {
        let values: [Value]
        if case .map(let map) = datum, let columns {
            guard map.count <= columns.count || columns.allSatisfy({ map[$0] != nil }) else {
                throw NativeError("a datum has other fields than the columns \(columns.joined(separator: ", ")): name them with 'fields'")
            }
            values = columns.map { map[$0] ?? .null }
        } else if let items = datum.items {
            values = items
        } else {
            throw NativeError("a map or a list is due for a record of CSV, not \(datum.typeName) (\(datum.summary(limit: 80)))")
        }
        return try values.map { value throws(NativeError) in value == .null ? "" : try value.text }
    }

    private mutating func appendRecord(_ fields: [String], _ delimiter: UInt8) {
        for (index, field) in fields.enumerated() {
            if index > 0 { buffer.append(delimiter) }
            let needsQuotes =
                fields.count == 1 && field.isEmpty
                || field.utf8.contains { $0 == delimiter || $0 == UInt8(ascii: "\"") || $0 == 0x0A || $0 == 0x0D }
            buffer += needsQuotes ? "\"\(field.replacing("\"", with: "\"\""))\"".utf8 : field.utf8
        }
        buffer.append(UInt8(ascii: "\n"))
    }

    private mutating func flush() throws(NativeError) {
        if file == nil { file = try files.create(path) }
        try file?.write(buffer)
        buffer.removeAll(keepingCapacity: true)
    }

    mutating func finish(_ outputs: inout Outputs) throws(NativeError) -> Progress {
        switch form {
        case .json: buffer += count == 0 ? "[]\n".utf8 : "\n]\n".utf8
        case .csv(let csv):
            if count == 0, csv.hasHeader, let columns = csv.columns { appendRecord(columns, csv.delimiter) }
        case .text, .lines, .ndjson: break
        }
        try flush()
        if let file { outputs.write(path: try file.commit(), format: form.mediaType) }
        file = nil
        return .done
    }
}
