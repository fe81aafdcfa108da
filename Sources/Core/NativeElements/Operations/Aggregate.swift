// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Gathers one result, or one for each key, and writes them at the end.
struct Aggregate: Operation {
    static let maximumKeys = 50_000_000

    private let key: [KeyPart]?
    private let field: KeyPart?
    private let name: String
    private let start: Accumulator
    private var total: Accumulator
    private var groups = Groups<Accumulator>()
    private var written = 0

    /// - Parameters:
    ///   - name: of the result among a key's fields.
    ///   - start: what is known of nothing.
    init(key: [KeyPart]?, field: KeyPart?, name: String, start: Accumulator) {
        self.key = key
        self.field = field
        self.name = name
        self.start = start
        total = start
    }

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        let datum = try value.required()
        let counted = try field.map { field throws(NativeError) in try datum.part(field) } ?? datum
        guard let key else {
            try total.add(counted)
            return .done
        }
        try groups.update(try datum.key(key), else: start) { group throws(NativeError) in try group.add(counted) }
        guard groups.count <= Self.maximumKeys else {
            throw NativeError("there are more than \(Self.maximumKeys) keys: spread them over more instances, or choose a coarser key")
        }
        return .done
    }

    mutating func finish(_ outputs: inout Outputs) throws(NativeError) -> Progress {
        guard let key else {
            if let result = total.result { outputs.write(result) }
            return .done
        }
        while written < groups.count, !outputs.isFull {
            let (parts, group) = groups[written]
            written += 1
            let result = group.result ?? .null
            outputs.write(
                key.names.map { .map(ValueMap(zip($0, parts.items ?? [])).adding(result, as: name)) }
                    ?? .list((parts.items ?? []) + [result]))
        }
        return written < groups.count ? .more : .done
    }
}

/// States by key, in the order in which the keys came.
struct Groups<State> {
    private var positions: [Value: Int] = [:]
    private var entries: [(key: Value, state: State)] = []

    var count: Int { entries.count }

    subscript(position: Int) -> (key: Value, state: State) { entries[position] }

    mutating func update(
        _ key: Value, else start: @autoclosure () -> State, _ change: (inout State) throws(NativeError) -> Void
    ) throws(NativeError) {
        if let position = positions[key] {
            try change(&entries[position].state)
        } else {
            var state = start()
            try change(&state)
            positions[key] = entries.count
            entries.append((key, state))
        }
    }
}

extension Value {
    /// The tuple of these parts.
    package func key(_ parts: [KeyPart]) throws(NativeError) -> Value {
        var values: [Value] = []
        values.reserveCapacity(parts.count)
        for part in parts { values.append(try self.part(part)) }
        return .tuple(values)
    }
}

extension [KeyPart] {
    /// The names, where all parts are names.
    fileprivate var names: [String]? {
        let names = compactMap { if case .name(let name) = $0 { name } else { nil } }
        return names.count == count ? names : nil
    }
}

extension ValueMap {
    fileprivate func adding(_ value: Value, as name: String) -> ValueMap {
        var map = self
        map[.string(name)] = value
        return map
    }
}
