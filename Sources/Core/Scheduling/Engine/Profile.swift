// SPDX-License-Identifier: Apache-2.0

/// What is free from now on, as a step function of time, in cells: nodes, or all nodes as one where only slots count.
struct Profile: Sendable {
    private let cells: Int
    /// The first second of each step.
    private var times: [Int]
    /// Step after step, each with all cells.
    private var rooms: [Machine.Room]

    init(_ rooms: [Machine.Room], from now: Int) {
        cells = rooms.count
        times = [now]
        self.rooms = rooms
    }

    /// Drops what lies before `now`.
    mutating func forget(before now: Int) {
        let first = step(at: now)
        guard first > 0 else { return }
        times.removeFirst(first)
        rooms.removeFirst(first * cells)
    }

    /// Adds to (1) or takes from (-1) the cells in [start, end).
    mutating func change(_ parts: [(cell: Int, slots: Int, memory: Int)], from start: Int, to end: Int, by sign: Int) {
        guard start < end else { return }
        let first = split(at: start)
        let last = end == .max ? times.count : split(at: end)
        for step in first..<last {
            for part in parts {
                rooms[step * cells + part.cell].slots += sign * part.slots
                rooms[step * cells + part.cell].memory += sign * part.memory
            }
        }
        merge(around: last)
        merge(around: first)
    }

    /// The last step that begins at or before `time`; the first one, where none does.
    private func step(at time: Int) -> Int {
        var (low, high) = (0, times.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if times[middle] <= time { low = middle } else { high = middle - 1 }
        }
        return low
    }

    private mutating func split(at time: Int) -> Int {
        let step = step(at: time)
        guard times[step] < time else { return step }
        times.insert(time, at: step + 1)
        rooms.insert(contentsOf: Array(rooms[step * cells..<(step + 1) * cells]), at: (step + 1) * cells)
        return step + 1
    }

    private mutating func merge(around step: Int) {
        guard step > 0, step < times.count, rooms[(step - 1) * cells..<step * cells].elementsEqual(rooms[step * cells..<(step + 1) * cells])
        else { return }
        times.remove(at: step)
        rooms.removeSubrange(step * cells..<(step + 1) * cells)
    }

    /// The least time from `now` on from which on, for `duration` seconds, `fits` holds.
    ///
    /// - Parameters:
    ///   - instants: at which, beside those at which more becomes free, it may begin to hold.
    ///   - fits: for the least that each cell has in that time.
    func earliest<Place>(
        from now: Int, for duration: Int, instants: [Int] = [], fits: (Int, [Machine.Room]) -> Place?
    ) -> (time: Int, place: Place)? {
        for time in Set([now] + times + instants).filter({ $0 >= now }).sorted() {
            let start = step(at: time)
            var least = Array(rooms[start * cells..<(start + 1) * cells])
            var step = start + 1
            while step < times.count, times[step] < time.later(by: duration) {
                for cell in 0..<cells {
                    let room = rooms[step * cells + cell]
                    least[cell].slots = min(least[cell].slots, room.slots)
                    least[cell].memory = min(least[cell].memory, room.memory)
                }
                step += 1
            }
            if let place = fits(time, least) { return (time, place) }
        }
        return nil
    }

    /// The same for one cell whose slots alone count; in one sweep.
    func earliest(from now: Int, for duration: Int, slots: Int) -> Int? {
        var start: Int?
        for step in step(at: now)..<times.count {
            if let since = start, times[step] >= since.later(by: duration) { return since }
            if rooms[step].slots < slots { start = nil } else if start == nil { start = max(now, times[step]) }
        }
        return start
    }
}
