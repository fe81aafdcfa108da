// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Testing

@testable import Commands

struct TimeArgumentTests {
    private let now = Date(timeIntervalSince1970: 1_750_000_000)

    @Test(arguments: [
        ("90", 90), ("90s", 90), ("90m", 5400), ("4h", 14400), ("2d", 172_800), ("1w", 604_800), ("1h30m", 5400), ("1d12h30m5s", 131_405),
        ("007m", 420),
    ])
    func lengths(text: String, seconds: Int) throws { #expect(try parseSeconds(text) == seconds) }

    @Test(arguments: [
        "", "0", "0m", "-4h", "4x", "h", "1.5h", "4 h", "4h ", "30m1h", "1h1h", "1h30", "90 m", "٣h", "99999999999999999999",
        "9223372036854775807w", "+4h",
    ])
    func whatIsNoLength(text: String) { #expect(throws: ValidationError.self) { try parseSeconds(text) } }

    @Test(arguments: [
        ("now", 0.0), ("+2h", 7200), ("+90", 90), ("+1h30m", 5400), ("+0s", 0), ("in 90m", 5400), ("in   2d", 172_800), ("-7d", -604_800),
        ("2025-06-15T15:06:40Z", 0), ("2025-06-15T15:06:40.500Z", 0.5), ("2025-06-15T17:06:40+02:00", 0), ("2025-06-15T09:36:40-05:30", 0),
    ])
    func instants(text: String, seconds: Double) throws { #expect(try Moment(text).date(from: now) == now + seconds) }

    @Test(arguments: [
        "", "+", "in", "in ", "2h", "in2h", "+-2h", "-", "-x", "--2h", "tomorrow", "2025-06-15", "2025-06-15T15:06:40",
        "2025-13-15T15:06:40Z", "+2x",
        "in 2h 3m",
    ])
    func whatIsNoInstant(text: String) { #expect(throws: ValidationError.self) { try Moment(text) } }

    @Test func listsAndWhatCanBeTakenAway() {
        #expect(NameList(argument: "a, b ,c")?.names == ["a", "b", "c"])
        for text in ["", "a,,b", ",a", "a,"] { #expect(NameList(argument: text) == nil, "\(text)") }
        #expect(Settable<Int>(argument: "none") == Settable.none && Settable<Int>(argument: "7") == .value(7))
        #expect(Settable<Int>(argument: "some") == nil && Settable<Int>(argument: "7")?.value == 7)
    }
}
