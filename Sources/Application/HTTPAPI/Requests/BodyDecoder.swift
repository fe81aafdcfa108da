// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Turns the bytes of a request into a document, or says which field is wrong and what it should be.
package enum BodyDecoder {
    package static func decode<Document: RequestDocument>(_ type: Document.Type, from bytes: some Sequence<UInt8>) throws(Problem)
        -> Document
    {
        let bytes = Array(bytes)
        let value = try parse(bytes)
        guard let object = value.objectValue else {
            throw refusal([.init("", "must be a JSON object with \(Document.fields.keys.sorted().joined(separator: ", "))")])
        }
        let unknown = object.keys.filter { Document.fields[$0] == nil }.sorted()
        guard unknown.isEmpty else {
            let known = Document.fields.keys.sorted().joined(separator: ", ")
            throw refusal(unknown.map { .init(pointer([$0]), "is unknown: this body knows \(known)") })
        }
        if let path = pathOfNUL(in: value) {
            throw refusal([.init(pointer(path), "holds a NUL character, which cannot be stored: remove it")])
        }
        do {
            return try WireJSON.decode(type, from: bytes)
        } catch let error as DecodingError {
            // A fraction where a whole number belongs is reported without its place.
            if case .dataCorrupted(let context) = error, context.codingPath.isEmpty, let path = pathOfFraction(in: object) {
                throw refusal([.init(pointer(path), "must be \(path.count == 1 ? Document.fields[path[0]] ?? "" : "a whole number")")])
            }
            throw refusal([fieldError(error, expectations: Document.fields)])
        } catch {
            throw Problem(.badRequest, "The body cannot be read: \(error).")
        }
    }

    private static func parse(_ bytes: [UInt8]) throws(Problem) -> JSONValue {
        do {
            return try WireJSON.decode(JSONValue.self, from: bytes)
        } catch {
            throw Problem(.badRequest, bytes.isEmpty ? "The body is empty: send a JSON document." : "The body is not valid JSON.")
        }
    }

    private static func refusal(_ errors: [Problem.FieldError]) -> Problem {
        Problem(.invalid, "The body cannot be accepted.", errors: errors)
    }

    private static func fieldError(_ error: DecodingError, expectations: [String: String]) -> Problem.FieldError {
        func expected(_ path: [any CodingKey]) -> String? {
            path.count == 1 ? path.first.flatMap { expectations[$0.stringValue] } : nil
        }
        switch error {
        case .keyNotFound(let key, let context):
            let path = context.codingPath + [key]
            return .init(pointer(path), "is required" + (expected(path).map { ": write \($0)" } ?? ""))
        case .valueNotFound(let type, let context), .typeMismatch(let type, let context):
            return .init(pointer(context.codingPath), "must be \(expected(context.codingPath) ?? describe(type))")
        case .dataCorrupted(let context):
            let expectation = expected(context.codingPath).map { "must be \($0): " } ?? ""
            return .init(pointer(context.codingPath), expectation + context.debugDescription)
        @unknown default:
            return .init("", "cannot be read: \(error)")
        }
    }

    private static func describe(_ type: Any.Type) -> String {
        switch type {
        case is String.Type: "text"
        case is Bool.Type: "true or false"
        case is any BinaryInteger.Type: "a whole number"
        case is any BinaryFloatingPoint.Type: "a number"
        case is [String: Any].Type: "an object"
        default: "an array or an object"
        }
    }

    private static func pointer(_ path: [any CodingKey]) -> String {
        pointer(path.map { $0.intValue.map(String.init) ?? $0.stringValue })
    }

    /// JSON Pointer (RFC 6901).
    private static func pointer(_ path: [String]) -> String {
        path.map { "/" + $0.replacing("~", with: "~0").replacing("/", with: "~1") }.joined()
    }

    private static let fractions: Set = ["seconds_per_call", "share", "rank_hours", "budget", "deadline"]

    /// No body takes fractions but inside of items, which are arrays, and in a few fields.
    private static func pathOfFraction(in object: [String: JSONValue]) -> [String]? {
        for (key, value) in object.sorted(by: { $0.key < $1.key }) {
            if case .number = value, !fractions.contains(key) { return [key] }
            if let members = value.objectValue, let path = pathOfFraction(in: members) { return [key] + path }
        }
        return nil
    }

    private static func pathOfNUL(in value: JSONValue) -> [String]? {
        switch value {
        case .null, .bool, .integer, .number: return nil
        case .string(let text): return text.utf8.contains(0) ? [] : nil
        case .array(let values):
            for (index, value) in values.enumerated() { if let path = pathOfNUL(in: value) { return ["\(index)"] + path } }
            return nil
        case .object(let members):
            for (key, value) in members {
                if key.utf8.contains(0) { return [key.replacing("\0", with: "\\u0000")] }
                if let path = pathOfNUL(in: value) { return [key] + path }
            }
            return nil
        }
    }
}
