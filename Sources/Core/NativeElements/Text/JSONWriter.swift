// SPDX-License-Identifier: Apache-2.0

/// Writes values as JSON without spaces. Tuples and sets become arrays; keys that are numbers become text.
package enum JSONWriter {
    /// - Throws: for a value that JSON cannot hold: bytes, NaN, infinity.
    package static func append(_ value: Value, to bytes: inout [UInt8]) throws(NativeError) {
        switch value {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += value ? "true".utf8 : "false".utf8
        case .int(let value): bytes += String(value).utf8
        case .bigInt(let value): bytes += value.description.utf8
        case .double(let value):
            guard value.isFinite else { throw NativeError("JSON has no \(value): filter it out, or map it to null before it is written") }
            bytes += value.description.utf8
        case .string(let text): append(text, to: &bytes)
        case .bytes: throw NativeError("JSON has no bytes: map them to text before they are written")
        case .list(let items), .tuple(let items), .set(let items), .frozenSet(let items):
            bytes.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                try append(item, to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .map(let map):
            bytes.append(UInt8(ascii: "{"))
            for (index, entry) in map.entries.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                try append(key: entry.key, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                try append(entry.value, to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private static func append(key: Value, to bytes: inout [UInt8]) throws(NativeError) {
        switch key {
        case .string(let text): append(text, to: &bytes)
        case .null, .bool, .int, .bigInt, .double:
            bytes.append(UInt8(ascii: "\""))
            try append(key, to: &bytes)
            bytes.append(UInt8(ascii: "\""))
        case .bytes, .list, .tuple, .set, .frozenSet, .map:
            throw NativeError("JSON has no \(key.typeName) for a key: use text or numbers")
        }
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { text in
            var start = 0
            for index in text.indices {
                let byte = text[index]
                guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
                bytes.append(contentsOf: text[start..<index])
                start = index + 1
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
                case 0x0A: bytes += #"\n"#.utf8
                case 0x0D: bytes += #"\r"#.utf8
                case 0x09: bytes += #"\t"#.utf8
                default: bytes += "\\u00\(byte < 0x10 ? "0" : "")\(String(byte, radix: 16))".utf8
                }
            }
            bytes.append(contentsOf: text[start...])
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

extension Value {
    /// How it looks, as Python writes it, in at most so many characters.
    package func summary(limit: Int = 500) -> String {
        var text = ""
        describe(into: &text, limit: limit)
        return text.count <= limit ? text : text.prefix(limit - 1) + "…"
    }

    private func describe(into text: inout String, limit: Int) {
        guard text.utf8.count <= 4 * limit else { return }
        func list(_ items: [Value], _ open: String, _ close: String) {
            text += open
            for (index, item) in items.prefix(20).enumerated() {
                if index > 0 { text += ", " }
                item.describe(into: &text, limit: limit)
            }
            text += (items.count > 20 ? ", …" : "") + close
        }
        switch self {
        case .null: text += "None"
        case .bool(let value): text += value ? "True" : "False"
        case .int(let value): text += String(value)
        case .bigInt(let value): text += value.description
        case .double(let value): text += value.description
        case .string(let value):
            let shown = value.prefix(limit).map { $0 == "\n" ? "\\n" : $0 == "'" ? "\\'" : $0 == "\0" ? "\\x00" : String($0) }
            text += "'\(shown.joined())'"
        case .bytes(let value): text += "<\(value.count) bytes>"
        case .list(let items): list(items, "[", "]")
        case .tuple(let items): list(items, "(", items.count == 1 ? ",)" : ")")
        case .set(let items): list(items, "{", "}")
        case .frozenSet(let items): list(items, "frozenset({", "})")
        case .map(let map):
            text += "{"
            for (index, entry) in map.entries.prefix(20).enumerated() {
                if index > 0 { text += ", " }
                entry.key.describe(into: &text, limit: limit)
                text += ": "
                entry.value.describe(into: &text, limit: limit)
            }
            text += map.count > 20 ? ", …}" : "}"
        }
    }
}
