// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// Elements of a group that run together, what work they make, and how many workers may share it.
struct Segment {
    private(set) var elements: [Int] = []
    private(set) var instances = Replication.Instances.any
    /// Seconds, over all workers.
    private(set) var work = 0.0
    /// Without passing data on: what no further element makes less.
    private var ownWork = 0.0
    var workers = 1

    var load: Double { work / Double(workers) }

    /// - Returns: whether the element can be the next: it cannot where one asks for other instances than the others.
    mutating func append(_ element: Int, _ wanted: Replication.Instances, _ demand: Demand, _ topology: Topology) -> Bool {
        if instances == .any {
            instances = wanted
        } else if wanted != .any, wanted != instances {
            return false
        }
        // Data that come from outside; those that come from inside no longer leave.
        let incoming = topology.incoming[element].reduce(0) { $0 + demand.edges[$1] }
        ownWork += demand.elements[element]
        work += demand.elements[element] + (elements.isEmpty ? incoming : -incoming)
        work += topology.outgoing[element].reduce(0) { $0 + demand.edges[$1] }
        elements.append(element)
        return true
    }

    /// Whether a worker has more to do than the limit whatever follows.
    func exceeds(_ limit: Double) -> Bool {
        switch instances {
        case .one: ownWork > limit
        case .exactly(let count): ownWork / Double(count) > limit
        case .any: false
        }
    }

    /// The fewest workers of which none has more to do than the limit.
    func workers(within limit: Double) -> Int? {
        switch instances {
        case .one: work <= limit ? 1 : nil
        case .exactly(let count): work / Double(count) <= limit ? count : nil
        case .any: work <= limit ? 1 : limit > 0 ? Int((work / limit).rounded(.up)) : nil
        }
    }
}

/// Parts groups of elements into stages and gives them workers, so that the rank with the most to do has as little as possible.
struct Partition {
    private let topology: Topology
    private let replications: [Replication]
    private let demand: Demand
    private let groups: [Group]

    /// Elements that may share a worker, upstream before downstream, branch after branch.
    private struct Group {
        var elements: [Int]
        /// By place in `elements`: the first place that the element reads from.
        var earliest: [Int]
    }

    init(groups: [[Int]], topology: Topology, replications: [Replication], demand: Demand) {
        self.topology = topology
        self.replications = replications
        self.demand = demand
        self.groups = groups.map { Self.arranged($0, topology, demand) }
    }

    /// Stages in the order of their heads.
    func stages(ranks: Int) -> [Segment] {
        let all = demand.elements.reduce(0, +) + 2 * demand.edges.reduce(0, +)
        // On one rank nothing can be won.
        var (low, high) = (ranks == 1 ? all : 0, all)
        var best = cut(within: high) ?? []
        // What one worker can do in the time, several workers can: feasible limits have no gaps worth looking for.
        while high - low > 1e-4 * high {
            let limit = (low + high) / 2
            if let found = cut(within: limit), Placement(found, ranks: ranks).maximum <= limit * (1 + 1e-9) {
                (best, high) = (found, limit)
            } else {
                low = limit
            }
        }
        Self.share(ranks - best.reduce(0) { $0 + $1.workers }, among: &best)
        return best.sorted { topology.rank[$0.elements[0]] < topology.rank[$1.elements[0]] }
    }

    /// Gives each further worker to the stage whose workers have most to do.
    static func share(_ spare: Int, among stages: inout [Segment]) {
        for _ in 0..<max(0, spare) {
            guard
                let next = stages.indices.filter({ stages[$0].instances == .any && stages[$0].work > 0 })
                    .max(by: { stages[$0].load < stages[$1].load })
            else { return }
            stages[next].workers += 1
        }
    }

    /// - Returns: the stages with the fewest workers of which none has more to do than the limit; nil where there are none.
    private func cut(within limit: Double) -> [Segment]? {
        var stages: [Segment] = []
        for group in groups {
            guard let cut = cut(group, within: limit) else { return nil }
            stages += cut
        }
        return stages
    }

    private func cut(_ group: Group, within limit: Double) -> [Segment]? {
        // The best stages for the elements before each place: exact for a chain.
        var best = [(workers: Int, work: Double, start: Int)?](repeating: nil, count: group.elements.count + 1)
        best[0] = (0, 0, 0)
        for start in group.elements.indices {
            guard let before = best[start] else { continue }
            var segment = Segment()
            for end in start..<group.elements.count {
                if end > start, group.earliest[end] < start { break }
                let element = group.elements[end]
                guard segment.append(element, replications[element].instances, demand, topology) else { break }
                if segment.exceeds(limit) { break }
                guard let workers = segment.workers(within: limit) else { continue }
                let (count, work) = (before.workers + workers, before.work + segment.work)
                if let known = best[end + 1], (known.workers, known.work) <= (count, work) { continue }
                best[end + 1] = (count, work, start)
            }
        }
        var stages: [Segment] = []
        var end = group.elements.count
        while end > 0 {
            guard let start = best[end]?.start else { return nil }
            var segment = Segment()
            for element in group.elements[start..<end] {
                _ = segment.append(element, replications[element].instances, demand, topology)
            }
            segment.workers = segment.workers(within: limit) ?? 1
            stages.append(segment)
            end = start
        }
        return stages
    }

    /// Light branches first: they are the ones worth keeping with what comes before.
    private static func arranged(_ group: [Int], _ topology: Topology, _ demand: Demand) -> Group {
        let members = Set(group)
        var waiting: [Int: Int] = [:]
        for element in group.dropFirst() { waiting[element] = topology.incoming[element].count }
        var ready = Array(group.prefix(1))
        var elements: [Int] = []
        var place: [Int: Int] = [:]
        while let element = ready.popLast() {
            place[element] = elements.count
            elements.append(element)
            var next: [Int] = []
            for edge in topology.outgoing[element] where members.contains(topology.to[edge]) {
                waiting[topology.to[edge], default: 0] -= 1
                if waiting[topology.to[edge]] == 0 { next.append(topology.to[edge]) }
            }
            ready += next.sorted { (demand.elements[$0], $0) > (demand.elements[$1], $1) }
        }
        let earliest = elements.map { topology.producers(of: $0).compactMap { place[$0] }.min() ?? 0 }
        return Group(elements: elements, earliest: earliest)
    }
}

/// Which rank each worker is on.
struct Placement {
    /// By stage, then replica.
    private(set) var ranks: [Int] = []
    /// By rank: seconds of work.
    private(set) var loads: [Double]

    var maximum: Double { loads.max() ?? 0 }

    /// Each worker a rank of its own where there are enough; else the heaviest first, each to the rank that has least to do.
    init(_ stages: [Segment], ranks count: Int) {
        let workers = stages.flatMap { Array(repeating: $0.load, count: $0.workers) }
        if workers.count <= count {
            (ranks, loads) = (Array(workers.indices), workers)
            return
        }
        ranks = [Int](repeating: 0, count: workers.count)
        loads = [Double](repeating: 0, count: count)
        var held = [Int](repeating: 0, count: count)
        for worker in workers.indices.sorted(by: { (workers[$1], $0) < (workers[$0], $1) }) {
            let rank = loads.indices.min { (loads[$0], held[$0], $0) < (loads[$1], held[$1], $1) } ?? 0
            ranks[worker] = rank
            loads[rank] += workers[worker]
            held[rank] += 1
        }
    }
}
