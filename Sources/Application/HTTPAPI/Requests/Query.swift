// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// The query parameters of a request. Every complaint names the parameter and what it may be.
struct Query: Sendable {
    private(set) var items: [(name: String, value: String)] = []

    init() {}

    /// - Parameter text: what follows the question mark, still encoded.
    init(_ text: String?) throws(Problem) {
        for part in (text ?? "").split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decode(pair[0]), let value = Self.decode(pair.count == 2 ? pair[1] : "") else {
                // Not repeated in the answer: it might be a token.
                throw Problem(.badRequest, "A parameter of the query is not percent-encoded UTF-8 text without NUL characters.")
            }
            items.append((name, value))
        }
    }

    private static func decode(_ text: Substring) -> String? { PercentEncoding.decode(String(text.replacing("+", with: " "))) }

    func contains(_ name: String) -> Bool { items.contains { $0.name == name } }

    func refuse(allBut known: Set<String>) throws(Problem) {
        let unknown = items.map(\.name).filter { !known.contains($0) }
        guard unknown.isEmpty else {
            let remedy = known.isEmpty ? "this route takes none" : "this route knows \(known.sorted().joined(separator: ", "))"
            throw Problem(
                .invalid, "The query has parameters that this route does not know.",
                errors: unknown.map { .init($0, "is unknown: \(remedy)") })
        }
    }

    func all(_ name: String) -> [String] { items.filter { $0.name == name }.map(\.value) }

    /// The one value, or `nil` when it is absent or empty.
    func text(_ name: String) throws(Problem) -> String? {
        let values = all(name)
        guard values.count < 2 else { throw Self.invalid(name, "is given \(values.count) times: give it once") }
        return values.first.flatMap { $0.isEmpty ? nil : $0 }
    }

    func integer<T: FixedWidthInteger>(_ name: String, in range: ClosedRange<T>) throws(Problem) -> T? {
        guard let text = try text(name) else { return nil }
        guard let value = T(text), range.contains(value) else {
            throw Self.invalid(name, "is '\(text)': write a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func time(_ name: String) throws(Problem) -> Date? {
        guard let text = try text(name) else { return nil }
        guard let time = WireJSON.parse(text), HistoryRules.times.contains(time) else {
            throw Self.invalid(name, "is '\(text)': write RFC 3339 with the zone, from 1970 on, as 2026-12-01T08:00:00Z")
        }
        return time
    }

    func reference(_ name: String) throws(Problem) -> Reference? {
        // An empty one is a mistake: taken for absent, it would show everything.
        guard contains(name) else { return nil }
        do {
            return try Reference(try text(name) ?? "")
        } catch {
            throw Self.invalid(name, error.detail)
        }
    }

    func choice<T: CaseIterable & RawRepresentable<String>>(_ name: String, as type: T.Type = T.self) throws(Problem) -> T? {
        guard let text = try text(name) else { return nil }
        return try Self.choice(name, text)
    }

    func choices<T: CaseIterable & RawRepresentable<String> & Hashable>(_ name: String, as type: T.Type = T.self) throws(Problem) -> Set<T>
    {
        var chosen: Set<T> = []
        for text in all(name) { chosen.insert(try Self.choice(name, text)) }
        return chosen
    }

    func flag(_ name: String) throws(Problem) -> Bool {
        switch try text(name) {
        case nil, "false": false
        case "true": true
        case let text?: throw Self.invalid(name, "is '\(text)': write true or false")
        }
    }

    private static func choice<T: CaseIterable & RawRepresentable<String>>(_ name: String, _ text: String) throws(Problem) -> T {
        guard let value = T(rawValue: text) else {
            throw invalid(name, "is '\(text)': write one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return value
    }

    private static func invalid(_ name: String, _ detail: String) -> Problem {
        Problem(.invalid, "The query parameter '\(name)' cannot be accepted.", errors: [.init(name, detail)])
    }
}
