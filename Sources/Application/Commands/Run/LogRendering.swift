// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// Lines that the PEs printed.
enum LogRendering {
    static func line(_ line: LogLine) -> String {
        let place = "rank \(line.rank)" + (line.element.map { " \($0)" } ?? "")
        let mark = line.stream == .stderr ? "!" : "|"
        return "\(place) \(mark) \(line.text)"
    }

    static func query(rank: Int?, attempt: Int?) -> APIClient.Query {
        (rank.map { [("rank", "\($0)")] } ?? []) + (attempt.map { [("attempt", "\($0)")] } ?? [])
    }
}
