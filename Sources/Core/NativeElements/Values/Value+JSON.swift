// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

extension Value {
    package init(_ json: JSONValue) {
        switch json {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .int(value)
        case .number(let value): self = .double(value)
        case .string(let text): self = .string(text)
        case .array(let items): self = .list(items.map { Value($0) })
        case .object(let object): self = .map(ValueMap(object.sorted { $0.key.precedes($1.key) }.map { ($0.key, Value($0.value)) }))
        }
    }

    /// A field of a map, or an item of a list, tuple or text; a negative index counts from the end.
    /// - Throws: where it has none of that name or index.
    package func part(_ part: KeyPart) throws(NativeError) -> Value {
        switch part {
        case .name(let name): try field(name)
        case .index(let index): try item(Value.int(Int64(index)))
        }
    }

    func field(_ name: String) throws(NativeError) -> Value {
        guard case .map(let map) = self else {
            throw NativeError("there is no field '\(name)' in \(typeName) (\(summary(limit: 80))): only maps have fields")
        }
        guard let value = map[name] else {
            let known = map.entries.prefix(20).map { $0.key.stringValue ?? $0.key.summary(limit: 40) }.joined(separator: ", ")
            throw NativeError("there is no field '\(name)'; the fields are: \(known.isEmpty ? "none" : known)")
        }
        return value
    }

    func item(_ key: Value) throws(NativeError) -> Value {
        switch (self, key) {
        case (.map(let map), _):
            if let value = map[key] { return value }
            if case .string(let name) = key { return try field(name) }
            throw NativeError("there is no field \(key.summary(limit: 40)) in \(summary(limit: 80))")
        case (.list(let items), .int(let index)), (.tuple(let items), .int(let index)):
            let position = index < 0 ? Int(index) + items.count : Int(index)
            guard items.indices.contains(position) else {
                throw NativeError("there is no item \(index) in \(typeName) of \(items.count)")
            }
            return items[position]
        case (.string(let text), .int(let index)):
            let scalars = text.unicodeScalars
            let count = scalars.count
            let position = index < 0 ? Int(index) + count : Int(index)
            guard (0..<count).contains(position) else { throw NativeError("there is no character \(index) in a text of \(count)") }
            return .string(String(scalars[scalars.index(scalars.startIndex, offsetBy: position)]))
        default: throw NativeError("there is no item \(key.summary(limit: 40)) in \(typeName) (\(summary(limit: 80)))")
        }
    }
}
