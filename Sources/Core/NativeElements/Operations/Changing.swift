// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// Lets pass what an expression is true for.
struct Filter: Operation {
    let expression: Expression

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        let value = try value.required()
        if try expression.evaluate(value).isTrue { outputs.write(value) }
        return .done
    }
}

/// Computes one value from each datum, or a map of several.
struct Map: Operation {
    enum Result {
        case value(Expression)
        case fields([(name: String, expression: Expression)], keepsOthers: Bool)
    }

    let result: Result

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        let datum = try value.required()
        switch result {
        case .value(let expression): outputs.write(try expression.evaluate(datum))
        case .fields(let fields, let keepsOthers):
            var map = ValueMap()
            if keepsOthers {
                guard case .map(let others) = datum else {
                    throw NativeError("'keep' needs a map, but the datum is \(datum.typeName) (\(datum.summary(limit: 80)))")
                }
                map = others
            }
            for (name, expression) in fields { map[.string(name)] = try expression.evaluate(datum) }
            outputs.write(.map(map))
        }
        return .done
    }
}

/// Keeps some fields of a map, or items of a list.
struct Select: Operation {
    let fields: [KeyPart]

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        let datum = try value.required()
        guard case .map(let map) = datum else {
            var items: [Value] = []
            for field in fields { items.append(try datum.part(field)) }
            if case .tuple = datum { outputs.write(.tuple(items)) } else { outputs.write(.list(items)) }
            return .done
        }
        var selected = ValueMap(capacity: fields.count)
        for field in fields {
            let key: Value =
                switch field {
                case .name(let name): .string(name)
                case .index(let index): .int(Int64(index))
                }
            selected[key] = try Value.map(map).part(field)
        }
        outputs.write(.map(selected))
        return .done
    }
}

/// Writes the items of lists one by one.
struct Flatten: Operation {
    /// The field whose items take its place, one in each copy of the datum.
    let field: String?
    private var items: (values: [Value], next: Int) = ([], 0)
    private var datum = ValueMap()

    init(field: String?) { self.field = field }

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        let value = try value.required()
        let whole: Value
        if let field {
            whole = try value.field(field)
            if case .map(let map) = value { datum = map }
        } else {
            whole = value
        }
        guard let values = whole.items else {
            throw NativeError("a list is due, not \(whole.typeName) (\(whole.summary(limit: 80)))")
        }
        items = (values, 0)
        return try resume(&outputs)
    }

    mutating func resume(_ outputs: inout Outputs) throws(NativeError) -> Progress {
        while items.next < items.values.count, !outputs.isFull {
            let item = items.values[items.next]
            items.next += 1
            if let field {
                datum[.string(field)] = item
                outputs.write(.map(datum))
            } else {
                outputs.write(item)
            }
        }
        return items.next < items.values.count ? .more : .done
    }
}

/// Cuts text into parts.
struct Split: Operation {
    /// `nil`: spaces of any kind.
    let separator: String?
    private var parts: [Substring] = []
    private var next = 0

    init(separator: String?) { self.separator = separator }

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        let value = try value.required()
        guard case .string(let text) = value else { throw NativeError("text is due, not \(value.typeName) (\(value.summary(limit: 80)))") }
        parts = separator.map { text.split(separator: $0) } ?? text.split(whereSeparator: \.isWhitespace)
        next = 0
        return try resume(&outputs)
    }

    mutating func resume(_ outputs: inout Outputs) throws(NativeError) -> Progress {
        while next < parts.count, !outputs.isFull {
            outputs.write(.string(String(parts[next])))
            next += 1
        }
        return next < parts.count ? .more : .done
    }
}
