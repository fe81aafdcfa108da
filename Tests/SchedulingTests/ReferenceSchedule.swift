// SPDX-License-Identifier: Apache-2.0

import Glibc
import Scheduling

/// The rules of the reference schedules on one pool of processors, second by second: slow, and unlike the scheduler in everything but
/// the outcome.
struct ReferenceSchedule {
    struct Task {
        var submitted: Int
        var runTime: Int
        var processors: Int
        var limit: Int
        var expected: Int
        var start: Int?

        func runs(at now: Int) -> Bool { start.map { $0 <= now && now < $0 + runTime } ?? false }
        func plannedEnd(_ start: Int, _ isHard: Bool) -> Int { start + (isHard ? limit : expected) }
    }

    private var tasks: [Task]
    private let processors: Int
    private let policy: SchedulingPolicy

    static func starts(_ tasks: [Task], processors: Int, policy: SchedulingPolicy) -> [Int?] {
        var schedule = ReferenceSchedule(tasks: tasks, processors: processors, policy: policy)
        let last = tasks.reduce(1) { $0 + $1.limit } + (tasks.map(\.submitted).max() ?? 0)
        if policy.backfill == .conservative {
            schedule.conservative(until: last)
        } else {
            for now in 0...last { schedule.pass(at: now) }
        }
        return schedule.tasks.map(\.start)
    }

    private func free(_ now: Int) -> Int { processors - tasks.reduce(0) { $0 + ($1.runs(at: now) ? $1.processors : 0) } }

    private mutating func pass(at now: Int) {
        var isEvent = false
        for id in tasks.indices {
            isEvent = isEvent || tasks[id].submitted == now
            guard let start = tasks[id].start else { continue }
            if start + tasks[id].runTime == now { isEvent = true }
            if tasks[id].runs(at: now), start + tasks[id].expected == now {
                tasks[id].expected = tasks[id].limit
                isEvent = true
            }
        }
        guard isEvent else { return }
        var queue = tasks.indices.filter { tasks[$0].submitted <= now && tasks[$0].start == nil }
        if policy.order == .wfp3 { queue.sort { comesFirst($0, $1, now) } }
        while let first = queue.first, tasks[first].processors <= free(now) {
            tasks[first].start = now
            queue.removeFirst()
        }
        guard case .easy(let shortestFirst) = policy.backfill, queue.count > 1, free(now) > 0 else { return }
        let head = queue.removeFirst()
        let isHard = policy.guardAge.map { now - tasks[head].submitted >= $0 } ?? false
        var shadow = now
        func available(at instant: Int) -> Int {
            processors
                - tasks.reduce(0) { sum, task in
                    guard task.runs(at: now), let start = task.start, task.plannedEnd(start, isHard) > instant else { return sum }
                    return sum + task.processors
                }
        }
        repeat { shadow += 1 } while available(at: shadow) < tasks[head].processors
        var extra = available(at: shadow) - tasks[head].processors
        if shortestFirst { queue.sort { (tasks[$0].expected, $0) < (tasks[$1].expected, $1) } }
        for id in queue where tasks[id].processors <= free(now) {
            if tasks[id].plannedEnd(now, isHard) <= shadow {
                tasks[id].start = now
            } else if tasks[id].processors <= extra {
                extra -= tasks[id].processors
                tasks[id].start = now
            }
        }
    }

    private func comesFirst(_ left: Int, _ right: Int, _ now: Int) -> Bool {
        func isPromoted(_ id: Int) -> Bool { policy.promotionAge.map { now - tasks[id].submitted >= $0 } ?? false }
        if isPromoted(left) != isPromoted(right) { return isPromoted(left) }
        func score(_ id: Int) -> Double {
            pow(Double(now - tasks[id].submitted) / Double(tasks[id].expected), 3.0) * Double(tasks[id].processors)
        }
        let (first, second) = (score(left), score(right))
        return isPromoted(left) || first == second ? left < right : first > second
    }

    /// With what is taken of each second to come.
    private mutating func conservative(until last: Int) {
        var taken = [Int](repeating: 0, count: 3 * last)
        var reserved: [Int?] = tasks.map { _ in nil }
        func earliest(_ now: Int, _ task: Task) -> Int {
            (now...).first { start in (start..<start + task.limit).allSatisfy { processors - taken[$0] >= task.processors } } ?? now
        }
        for now in 0...last {
            var endsEarly = false
            for task in tasks {
                guard let start = task.start, start + task.runTime == now, task.runTime < task.limit else { continue }
                for second in now..<start + task.limit { taken[second] -= task.processors }
                endsEarly = true
            }
            func reserve(_ id: Int) {
                let start = earliest(now, tasks[id])
                reserved[id] = start
                for second in start..<start + tasks[id].limit { taken[second] += tasks[id].processors }
            }
            for id in tasks.indices where tasks[id].submitted == now { reserve(id) }
            if endsEarly {
                for id in tasks.indices where tasks[id].start == nil {
                    guard let start = reserved[id], start > now else { continue }
                    for second in start..<start + tasks[id].limit { taken[second] -= tasks[id].processors }
                    reserve(id)
                }
            }
            for id in tasks.indices where tasks[id].start == nil && reserved[id].map({ $0 <= now }) ?? false { tasks[id].start = now }
        }
    }
}
