// SPDX-License-Identifier: Apache-2.0

/// What one source is given: its items in order, or a number of empty items.
package enum SourceInput: Sendable, Hashable {
    case count(Int)
    /// Each item maps input ports to values; an item for a source without input ports is `{}`.
    case items([JSONValue])

    package var itemCount: Int {
        switch self {
        case .count(let count): count
        case .items(let items): items.count
        }
    }
}

/// JSON form: a number or an array of objects.
extension SourceInput: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let count = try? container.decode(Int.self) {
            self = .count(count)
        } else if let items = try? container.decode([JSONValue].self) {
            self = .items(items)
        } else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "must be an array of items or a count")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .count(let count): try container.encode(count)
        case .items(let items): try container.encode(items)
        }
    }
}

/// Inputs of a run as users write them, as dispel4py's `-d`/`-f` (by PE name or id) and `-i` (a count for every source).
package enum RunInputs: Sendable, Hashable {
    case iterations(Int)
    case byElement([String: SourceInput])
}

/// JSON form: a number, or an object keyed by PE name or id.
extension RunInputs: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let count = try? container.decode(Int.self) {
            self = .iterations(count)
        } else {
            self = .byElement(try container.decode([String: SourceInput].self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .iterations(let count): try container.encode(count)
        case .byElement(let inputs): try container.encode(inputs)
        }
    }
}
