// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// Where a page ended, as the keys of its last row. Opaque to clients: base64url of the list's name and the keys.
struct Cursor: Equatable {
    var keys: [String]

    /// Which list it belongs to, so that a cursor of another list is told.
    enum List: String {
        case graphs, foundGraphs, elements, foundElements, environments, runs, results, data, invocations, queue, history

        /// The key as Postgres reads it: a whole number, but for how well what was found matches.
        fileprivate func key(_ text: String, at index: Int) -> String? {
            guard index == 0, self == .foundGraphs || self == .foundElements else { return Int64(text).map { "\($0)" } }
            return Float(text).flatMap { $0.isFinite ? "\($0)" : nil }
        }
    }

    /// - Throws: `Problem` naming `cursor` unless it came from a page of the same list.
    init?(_ request: PageRequest, list: List, keys count: Int) throws(Problem) {
        guard let text = request.cursor else { return nil }
        let base64 = String(text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 })
        let padded = base64 + String(repeating: "=", count: (4 - base64.count % 4) % 4)
        let parts = Data(base64Encoded: padded).map {
            String(decoding: $0, as: UTF8.self).split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
        keys = parts?.dropFirst().enumerated().compactMap { list.key($1, at: $0) } ?? []
        guard let parts, parts.first == list.rawValue, parts.count == count + 1, keys.count == count else {
            throw Problem(
                .invalid, "The cursor is not one that this list gave. Leave it out to begin at the first page.",
                errors: [.init("cursor", "is not a cursor of this list")])
        }
    }

    static func text(_ list: List, _ keys: String...) -> String {
        let base64 = Data(([list.rawValue] + keys).joined(separator: ":").utf8).base64EncodedString()
        return String(base64.compactMap { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 == "=" ? nil : $0 })
    }
}

extension Page {
    /// Makes a page of rows that were asked for with a limit of one more than the page's size.
    init<Rows: RandomAccessCollection>(
        _ rows: Rows, size: Int, item: (Rows.Element) throws -> Item, cursor: (Rows.Element) throws -> String
    ) rethrows {
        let shown = rows.prefix(size)
        self.init(items: try shown.map(item), next: rows.count > size ? try shown.last.map(cursor) : nil)
    }
}
