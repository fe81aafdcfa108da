// SPDX-License-Identifier: Apache-2.0

/// Names a registered graph or PE: `namespace/name`, `namespace/name@version` or `namespace/name@latest`.
package struct Reference: Sendable, Hashable, Codable, CustomStringConvertible {
    package var namespace: String
    package var name: String
    /// `nil` means the latest version.
    package var version: String?

    package init(namespace: String, name: String, version: String?) {
        self.namespace = namespace
        self.name = name
        self.version = version
    }

    /// - Throws: `Problem` that says what of the text is wrong.
    package init(_ text: String) throws(Problem) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard path.count == 2, path.allSatisfy(Self.isName) else {
            throw Problem(
                .invalid,
                "'\(text)' is not a name in the registry: write namespace/name or namespace/name@version, "
                    + "each of 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit.")
        }
        let version = parts.count == 2 ? String(parts[1]) : nil
        if let version, !Self.isName(version) {
            throw Problem(.invalid, "'\(version)' is not a version: write 1 to 64 letters, digits, '.', '_' or '-'.")
        }
        self.init(namespace: path[0], name: path[1], version: version == "latest" ? nil : version)
    }

    package var description: String { "\(namespace)/\(name)" + (version.map { "@\($0)" } ?? "") }

    package static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.utf8.first.map(isAlphanumeric) == true
            && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        default: false
        }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        do {
            try self.init(try container.decode(String.self))
        } catch let problem as Problem {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: problem.detail)
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
