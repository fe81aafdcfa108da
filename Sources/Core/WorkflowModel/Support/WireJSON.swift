// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// The one JSON dialect of Weft: keys in snake_case (spelled in each type's `CodingKeys`), keys sorted, times as RFC 3339
/// in UTC with milliseconds.
package enum WireJSON {
    package static func encode(_ value: some Encodable, pretty: Bool = false) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(format(date))
        }
        return Array(try encoder.encode(value))
    }

    package static func decode<T: Decodable>(_ type: T.Type, from bytes: some Sequence<UInt8>) throws -> T {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard let date = parse(text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not an RFC 3339 time")
            }
            return date
        }
        return try decoder.decode(type, from: Data(bytes))
    }

    /// `2026-01-31T12:00:00.250Z`
    package static func format(_ date: Date) -> String { date.formatted(style) }

    /// Accepts RFC 3339 with or without fractional seconds.
    package static func parse(_ text: String) -> Date? {
        (try? style.parse(text)) ?? (try? Date.ISO8601FormatStyle().parse(text))
    }

    private static var style: Date.ISO8601FormatStyle { .init(includingFractionalSeconds: true) }
}
