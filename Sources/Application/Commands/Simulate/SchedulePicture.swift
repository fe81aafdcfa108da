// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// The use of the machine above, the length of the queue below, over the days.
struct SchedulePicture {
    var timeline: Timeline
    var slots: Int
    var title: String

    private static let width = 1000.0
    private static let height = 180.0
    private static let left = 70.0
    private static let columns = 1000

    var svg: String {
        let start = timeline.steps.first?.start ?? 0
        let end = max(start + 1, timeline.steps.last?.end ?? 0)
        let longest = max(1, timeline.steps.map(\.longestQueue).max() ?? 0)
        let used = bars(start, end, top: 40, most: Double(slots), colour: "#2563a8") { $0.meanUsed }
        let queue = bars(start, end, top: 270, most: Double(longest), colour: "#b4532a") { Double($0.longestQueue) }
        let days = max(1, (end - start) / 86_400)
        let step = max(1, days / 10)
        let ticks = stride(from: 0, through: days, by: step).map { day in
            let x = Self.left + Double(day * 86_400) / Double(end - start) * Self.width
            return x <= Self.left + Self.width ? text(x, 475, "day \(day)", anchor: "middle") : ""
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1100 490" font-family="sans-serif" font-size="13">
            <rect width="1100" height="490" fill="white"/>
            \(text(Self.left, 22, title.xmlEscaped, anchor: "start"))
            \(axes(top: 40, label: "slots used", most: "\(slots)"))
            \(used)
            \(axes(top: 270, label: "jobs waiting", most: "\(longest)"))
            \(queue)
            \(ticks.joined(separator: "\n"))
            </svg>

            """
    }

    private func bars(_ start: Int, _ end: Int, top: Double, most: Double, colour: String, _ value: (Timeline.Step) -> Double) -> String {
        var path = "M \(Self.left) \(top + Self.height)"
        for step in timeline.steps {
            let from = Self.left + Double(step.start - start) / Double(end - start) * Self.width
            let to = Self.left + Double(step.end - start) / Double(end - start) * Self.width
            let y = top + Self.height * (1 - min(1, value(step) / most))
            path += " L \(from.rounded(to: 2)) \(y.rounded(to: 2)) L \(to.rounded(to: 2)) \(y.rounded(to: 2))"
        }
        path += " L \(Self.left + Self.width) \(top + Self.height) Z"
        return "<path d=\"\(path)\" fill=\"\(colour)\" fill-opacity=\"0.75\"/>"
    }

    private func axes(top: Double, label: String, most: String) -> String {
        let bottom = top + Self.height
        return """
            <path d="M \(Self.left) \(top) V \(bottom) H \(Self.left + Self.width)" fill="none" stroke="#444"/>
            \(text(Self.left - 8, top + 12, most, anchor: "end"))
            \(text(Self.left - 8, bottom, "0", anchor: "end"))
            \(text(Self.left + 6, top - 4, label, anchor: "start"))
            """
    }

    private func text(_ x: Double, _ y: Double, _ words: String, anchor: String) -> String {
        "<text x=\"\(x.rounded(to: 1))\" y=\"\(y)\" text-anchor=\"\(anchor)\">\(words)</text>"
    }
}

extension String {
    fileprivate var xmlEscaped: String {
        replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}
