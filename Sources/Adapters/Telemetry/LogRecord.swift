// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Logging
import WorkflowModel

/// How log records are written.
package enum LogFormat: String, Sendable, Codable, CaseIterable {
    /// For people: time, level, message, `key=value`.
    case text
    /// For log collectors: one JSON object on a line.
    case json
}

/// One record, with credentials taken out.
struct LogRecord {
    let at: Date
    let level: Logger.Level
    let logger: String
    let message: String
    let metadata: [String: JSONValue]

    init(at: Date, level: Logger.Level, logger: String, message: String, metadata: Logger.Metadata) {
        self.at = at
        self.level = level
        self.logger = logger
        self.message = SecretRedaction.redacted(message)
        self.metadata = metadata.mapValues(Self.value)
    }

    private static func value(_ value: Logger.MetadataValue) -> JSONValue {
        switch value {
        case .string(let text): .string(SecretRedaction.redacted(text))
        case .stringConvertible(let value): .string(SecretRedaction.redacted(value.description))
        case .array(let values): .array(values.map(Self.value))
        case .dictionary(let values): .object(values.mapValues(Self.value))
        }
    }

    func line(_ format: LogFormat) -> String {
        switch format {
        case .json: json
        case .text: text
        }
    }

    private struct Document: Encodable {
        var ts: Date
        var level: String
        var logger: String
        var message: String
        var metadata: [String: JSONValue]?
    }

    private var json: String {
        let document = Document(
            ts: at, level: level.rawValue, logger: logger, message: message, metadata: metadata.isEmpty ? nil : metadata)
        guard let bytes = try? WireJSON.encode(document) else { return #"{"message":"a log record could not be encoded"}"# }
        return String(decoding: bytes, as: UTF8.self)
    }

    private var text: String {
        let level = level.rawValue + String(repeating: " ", count: max(0, 8 - level.rawValue.count))
        let pairs = metadata.sorted { $0.key < $1.key }.map { " \($0)=\(Self.shown($1))" }
        return "\(WireJSON.format(at)) \(level) \(Self.onOneLine(message))\(pairs.joined())"
    }

    private static func shown(_ value: JSONValue) -> String {
        let text = value.stringValue ?? (try? WireJSON.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let isPlain = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7F }
        return isPlain ? text : "\"\(onOneLine(text).replacing("\"", with: "\\\""))\""
    }

    /// A record must not be able to look like two.
    private static func onOneLine(_ text: String) -> String {
        var line = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": line += "\\n"
            case "\r": line += "\\r"
            case "\t": line += "\\t"
            case _ where scalar.properties.generalCategory == .control: line += "\\u{\(String(scalar.value, radix: 16))}"
            default: line.unicodeScalars.append(scalar)
            }
        }
        return line
    }
}
