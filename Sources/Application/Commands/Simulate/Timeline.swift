// SPDX-License-Identifier: Apache-2.0

/// The use of a machine and the length of its queue over time, in at most so many steps: where there would be more, neighbours become one
/// with their means by time and the longest queue.
struct Timeline {
    private static let maximumSteps = 4096

    struct Step {
        var start: Int
        var end: Int
        /// Slot-seconds.
        var used: Int
        var longestQueue: Int

        var meanUsed: Double { Double(used) / Double(max(1, end - start)) }
    }

    private(set) var steps: [Step] = []
    private var last: (time: Int, used: Int, waiting: Int)?
    /// Seconds below which a step is not ended.
    private var width = 0

    mutating func add(_ now: Int, used: Int, waiting: Int) {
        if let last, now > last.time {
            let area = last.used * (now - last.time)
            if let step = steps.last, step.end - step.start < width {
                steps[steps.count - 1].end = now
                steps[steps.count - 1].used += area
                steps[steps.count - 1].longestQueue = max(step.longestQueue, last.waiting)
            } else {
                steps.append(Step(start: last.time, end: now, used: area, longestQueue: last.waiting))
                if steps.count == Self.maximumSteps { halve() }
            }
        }
        last = (now, used, waiting)
    }

    private mutating func halve() {
        width = max(2 * width, 2 * (steps[steps.count - 1].end - steps[0].start) / Self.maximumSteps)
        var merged: [Step] = []
        for step in steps {
            if let before = merged.last, before.end - before.start < width {
                merged[merged.count - 1].end = step.end
                merged[merged.count - 1].used += step.used
                merged[merged.count - 1].longestQueue = max(before.longestQueue, step.longestQueue)
            } else {
                merged.append(step)
            }
        }
        steps = merged
    }
}
