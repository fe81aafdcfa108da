// SPDX-License-Identifier: Apache-2.0

/// Keys and values in the order of their insertion. A key's value can be replaced, which leaves it in its place.
package struct ValueMap: Sendable {
    package struct Entry: Sendable {
        package var key: Value
        package var value: Value
    }

    /// Maps that are longer have an index; shorter ones are searched faster without.
    private static let indexedCount = 16

    package private(set) var entries: [Entry]
    private var index: [Value: Int]?

    package init() { entries = [] }

    package init(capacity: Int) {
        entries = []
        entries.reserveCapacity(capacity)
    }

    package init(_ entries: some Sequence<(String, Value)>) {
        self.init()
        for (key, value) in entries { self[.string(key)] = value }
    }

    package var count: Int { entries.count }
    package var isEmpty: Bool { entries.isEmpty }

    package subscript(key: Value) -> Value? {
        get { position(of: key).map { entries[$0].value } }
        set {
            switch (position(of: key), newValue) {
            case (let position?, let value?): entries[position].value = value
            case (nil, let value?): append(Entry(key: key, value: value))
            case (let position?, nil):
                entries.remove(at: position)
                if index != nil { reindex() }
            case (nil, nil): break
            }
        }
    }

    package subscript(name: String) -> Value? {
        guard index == nil else { return self[.string(name)] }
        for entry in entries { if case .string(let key) = entry.key, key.isSame(as: name) { return entry.value } }
        return nil
    }

    private func position(of key: Value) -> Int? { index.map { $0[key] } ?? entries.firstIndex { $0.key == key } }

    private mutating func append(_ entry: Entry) {
        entries.append(entry)
        if index != nil { index?[entry.key] = entries.count - 1 } else if entries.count > Self.indexedCount { reindex() }
    }

    private mutating func reindex() {
        index = Dictionary(entries.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
    }
}

/// Whatever the order.
extension ValueMap: Hashable {
    package static func == (left: ValueMap, right: ValueMap) -> Bool {
        left.count == right.count && left.entries.allSatisfy { right[$0.key] == $0.value }
    }

    package func hash(into hasher: inout Hasher) {
        var sum = 0
        for entry in entries {
            var own = Hasher()
            own.combine(entry.key)
            own.combine(entry.value)
            sum &+= own.finalize()
        }
        hasher.combine(sum)
    }
}
