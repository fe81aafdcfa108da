// SPDX-License-Identifier: Apache-2.0

/// A time for which nodes are kept free: for maintenance, for a drain, or for whoever has reserved them. Whatever does not belong there
/// is over before it begins, by its limit.
package struct Window: Sendable, Hashable {
    package var nodes: [Int]
    package var start: Int
    /// The first second after it; `Int.max`: for good.
    package var end: Int
    /// The reservation whose jobs alone may run in it; `nil`: none may.
    package var reservation: Int?

    package init(nodes: [Int], start: Int, end: Int, reservation: Int? = nil) {
        self.nodes = nodes
        self.start = start
        self.end = end
        self.reservation = reservation
    }

    func overlaps(_ from: Int, _ to: Int) -> Bool { start < to && end > from }
}

/// All windows that are known, and what they close to a job.
struct Windows: Sendable {
    private(set) var all: [Window] = []
    /// Nodes that single jobs leave out, by job.
    private var avoided: [Int: [Int]] = [:]
    /// What each closes to a job that does not belong there.
    private var ceilings: [Ceilings] = []
    private var nodes: Int
    /// The first end of any.
    private var nextEnd = Int.max

    init(nodes: Int) { self.nodes = nodes }

    var isEmpty: Bool { all.isEmpty }

    mutating func replace(with windows: [Window]) {
        all = windows.sorted { ($0.start, $0.end) < ($1.start, $1.end) }
        nextEnd = all.map(\.end).min() ?? .max
        ceilings = all.map { window in
            var ceilings = Ceilings(nodes: nodes)
            for node in window.nodes { ceilings.close(node) }
            return ceilings
        }
    }

    /// Leaves out what is over.
    mutating func forget(before now: Int) {
        if nextEnd <= now { replace(with: all.filter { $0.end > now }) }
    }

    /// There are more nodes, behind the others.
    mutating func grow(to count: Int) {
        nodes = count
        replace(with: all)
    }

    mutating func avoid(_ nodes: [Int], for job: Int) { avoided[job] = nodes.isEmpty ? nil : nodes }

    func avoids(_ job: Int) -> Bool { avoided[job] != nil }

    /// The nodes that a job may not use which starts at `start` and may run until its limit; `nil`: it may use all.
    func closed(to job: Job, at start: Int) -> Ceilings? {
        let avoided = avoided[job.id] ?? []
        guard !all.isEmpty || job.reservation != nil || !avoided.isEmpty else { return nil }
        let end = start.later(by: job.limit)
        if job.reservation == nil, avoided.isEmpty {
            var closed: Ceilings?
            for (index, window) in all.enumerated() where window.overlaps(start, end) {
                closed = closed == nil ? ceilings[index] : Ceilings.lower(closed, ceilings[index])
            }
            return closed.flatMap { $0.isEmpty ? nil : $0 }
        }
        var closed = Ceilings(nodes: nodes)
        var own = NodeSet(capacity: nodes)
        for node in avoided { closed.close(node) }
        for window in all where window.overlaps(start, end) {
            if let reservation = job.reservation, window.reservation == reservation {
                if window.start <= start, window.end >= end { for node in window.nodes { own.insert(node) } }
            } else {
                for node in window.nodes { closed.close(node) }
            }
        }
        if job.reservation != nil { for node in 0..<nodes where !own.contains(node) { closed.close(node) } }
        return closed.isEmpty ? nil : closed
    }

    /// The job's reservation is over, or too short for it.
    func isTooLate(for job: Job, at now: Int) -> Bool {
        guard let reservation = job.reservation else { return false }
        return !all.contains { $0.reservation == reservation && $0.end >= max(now, $0.start).later(by: job.limit) }
    }

    /// The instants after `now` at which a window begins or ends: between them, what is closed to a job changes only by its limit.
    func boundaries(after now: Int) -> [Int] {
        Set(all.flatMap { [$0.start, $0.end] }).filter { $0 > now && $0 != .max }.sorted()
    }
}
