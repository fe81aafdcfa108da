// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

/// Seconds, as `90`, `45m`, `4h`, `2d`, `1w` or `1h30m`.
func parseSeconds(_ text: String) throws -> Int {
    guard let seconds = seconds(of: text), seconds > 0 else {
        throw ValidationError("'\(text)' is no length of time: write seconds, or numbers with s, m, h, d or w, as 45m, 2d or 1h30m.")
    }
    return seconds
}

/// - Returns: `nil` for what is none, and for what is longer than a number can say.
private func seconds(of text: some StringProtocol) -> Int? {
    let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604_800]
    var rest = text[...]
    var total = 0
    var smallest = Int.max
    while !rest.isEmpty {
        let digits = rest.prefix { ("0"..."9").contains($0) }
        rest = rest.dropFirst(digits.count)
        guard let number = Int(digits) else { return nil }
        // A number alone has no unit; one that follows another has.
        let unit = rest.isEmpty && smallest == .max ? 1 : rest.popFirst().flatMap { units[$0] }
        guard let unit, unit < smallest else { return nil }
        smallest = unit
        let (part, overflow) = number.multipliedReportingOverflow(by: unit)
        let (sum, carry) = total.addingReportingOverflow(part)
        guard !overflow, !carry else { return nil }
        total = sum
    }
    return smallest == .max ? nil : total
}

/// An instant, as `2026-12-01T08:00:00Z`, `now`, `+2h`, `in 90m` or, in the past, `-7d`.
enum Moment: Sendable, Equatable {
    case at(Date)
    /// Seconds from the instant at which the command runs.
    case after(Int)

    init(_ text: String) throws {
        if text == "now" {
            self = .after(0)
        } else if text.hasPrefix("+"), let seconds = seconds(of: text.dropFirst()) {
            self = .after(seconds)
        } else if text.hasPrefix("-"), let seconds = seconds(of: text.dropFirst()) {
            self = .after(-seconds)
        } else if text.hasPrefix("in "), let seconds = seconds(of: text.dropFirst(3).drop { $0 == " " }) {
            self = .after(seconds)
        } else if let date = WireJSON.parse(text) {
            self = .at(date)
        } else {
            throw ValidationError(
                "'\(text)' is no time: write now, +2h or 'in 90m' from now on, -7d before, or RFC 3339 with the zone, as 2026-12-01T08:00:00+01:00."
            )
        }
    }

    func date(from now: Date) -> Date {
        switch self {
        case .at(let date): date
        case .after(let seconds): now + TimeInterval(seconds)
        }
    }
}

/// Names between commas, as `node1,node2`.
struct NameList: ExpressibleByArgument, Sendable, Equatable {
    var names: [String]

    init(names: [String]) { self.names = names }

    init?(argument: String) {
        names = argument.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingSpaces }
        if names.contains(where: \.isEmpty) { return nil }
    }
}

extension Substring {
    fileprivate var trimmingSpaces: String {
        var text = drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

/// A value, or `none` to take it away.
enum Settable<Value: ExpressibleByArgument & Sendable & Equatable>: ExpressibleByArgument, Sendable, Equatable {
    case none
    case value(Value)

    init?(argument: String) {
        if argument == "none" {
            self = .none
        } else if let value = Value(argument: argument) {
            self = .value(value)
        } else {
            return nil
        }
    }

    var value: Value? {
        switch self {
        case .none: nil
        case .value(let value): value
        }
    }
}
