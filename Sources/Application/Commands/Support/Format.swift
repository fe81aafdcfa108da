// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// Quantities as people read them.
enum Format {
    static func duration(_ seconds: Double) -> String {
        switch seconds {
        case ...0: "0 s"
        case ..<0.0000995: "\(decimal(seconds * 1_000_000)) µs"
        case ..<0.0995: "\(decimal(seconds * 1000)) ms"
        case ..<59.95: "\(decimal(seconds)) s"
        case ..<3600: "\(Int(seconds) / 60) min \(Int(seconds) % 60) s"
        default: "\(Int(seconds) / 3600) h \(Int(seconds) % 3600 / 60) min"
        }
    }

    static func size(_ bytes: Int64) -> String {
        var value = Double(bytes)
        for unit in ["B", "kB", "MB", "GB", "TB"] {
            if value < 999.95 || unit == "TB" { return unit == "B" ? "\(bytes) B" : "\(decimal(value)) \(unit)" }
            value /= 1000
        }
        return "\(bytes) B"
    }

    /// In UTC, to the second.
    static func time(_ date: Date?) -> String {
        guard let date else { return "-" }
        return WireJSON.format(date).prefix(19).replacing("T", with: " ") + "Z"
    }

    static func elapsed(_ run: Run, now: Date) -> String {
        guard let started = run.startedAt else { return "-" }
        return duration((run.endedAt ?? now).timeIntervalSince(started))
    }

    static func shortened(_ text: String, to width: Int) -> String {
        text.count <= width ? text : text.prefix(width - 1) + "…"
    }

    static func compact(_ value: JSONValue) -> String {
        (try? WireJSON.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "?"
    }

    static func share(_ resumption: Resumption) -> String { "\(resumption.items) of \(count(resumption.of, "item"))" }

    static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    /// With one place after the point.
    private static func decimal(_ value: Double) -> String {
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
