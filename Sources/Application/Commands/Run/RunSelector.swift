// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// How users name a run: its id, the beginning of one, or `@latest`.
enum RunSelector: Equatable {
    case id(RunID)
    case latest
    case prefix(String)

    /// As many recent runs are looked through for a prefix.
    static let recent = 500

    init(_ text: String) throws(CommandFailure) {
        if let id = RunID(text) {
            self = .id(id)
        } else if text == "@latest" {
            self = .latest
        } else {
            let digits = text.hasPrefix("run_") ? text.dropFirst(4) : text[...]
            guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }) else {
                throw CommandFailure("'\(text)' names no run: write its id (run_…), the beginning of one, or @latest.", status: .usage)
            }
            self = .prefix("run_" + digits)
        }
    }

    /// - Parameter runs: newest first.
    func select(among runs: [RunID]) throws(CommandFailure) -> RunID {
        switch self {
        case .id(let id): return id
        case .latest:
            guard let latest = runs.first else { throw CommandFailure("There is no run yet.", status: .notFound) }
            return latest
        case .prefix(let prefix):
            let found = runs.filter { $0.description.hasPrefix(prefix) }
            guard let first = found.first else {
                throw CommandFailure("None of the last \(Self.recent) runs has an id that begins with '\(prefix)'.", status: .notFound)
            }
            guard found.count == 1 else {
                let shown = found.prefix(5).map(\.description).joined(separator: ", ")
                throw CommandFailure(
                    "'\(prefix)' could be any of \(found.count) runs: \(shown)\(found.count > 5 ? ", …" : ""). Write more of the id.")
            }
            return first
        }
    }
}

extension APIClient {
    func runID(_ text: String) async throws -> RunID {
        switch try RunSelector(text) {
        case .id(let id): return id
        case .latest: return try RunSelector.latest.select(among: try await list("runs", limit: 1, of: Run.self).items.map(\.id))
        case .prefix(let prefix):
            return try RunSelector.prefix(prefix)
                .select(among: try await list("runs", limit: RunSelector.recent, of: Run.self).items.map(\.id))
        }
    }
}
