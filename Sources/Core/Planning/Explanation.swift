// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// Why a plan is as it is, in sentences.
struct Explanation {
    let topology: Topology
    let replications: [Replication]
    let layout: Layout
    /// What could have shared a worker.
    let groups: [[Int]]

    /// Why these elements share a stage, and why its first begins one.
    /// - Parameter segment: nil without costs.
    func reasons(of elements: [Int], in segment: Segment? = nil) -> [String] {
        elements.enumerated().flatMap { place, element in
            let role = place == 0 ? head(element, segment) : fused(element)
            return place == 0 || segment != nil ? [replications[element].reason, role] : [role]
        }
    }

    private func fused(_ element: Int) -> String {
        let why =
            topology.groupings[element].allSatisfy { $0 == .roundRobin }
            ? "only round-robin edges join them" : "each has one instance, so that its grouping divides nothing"
        return "\(id(element)) is fused with \(producers(element)): \(why)"
    }

    private func head(_ element: Int, _ segment: Segment?) -> String {
        let begins = "\(id(element)) begins a stage:"
        let incoming = topology.incoming[element]
        if incoming.isEmpty { return "\(begins) data enter there" }
        if layout == .spread { return "\(id(element)) has a stage of its own: the layout is spread" }
        if let place = topology.groupings[element].firstIndex(where: { $0 != .roundRobin }) {
            return "\(begins) its input \(topology.graph.edges[incoming[place]].input) is grouped \(topology.groupings[element][place])"
        }
        if topology.producers(of: element).contains(where: { topology.isNative($0) != topology.isNative(element) }) {
            return "\(begins) native and Python PEs do not share a worker"
        }
        let fixed = replications[element].instances.fixed
        if segment == nil, topology.producers(of: element).contains(where: { replications[$0].instances.fixed != fixed }) {
            return "\(begins) it has another number of instances than \(producers(element))"
        }
        if groups.contains(where: { $0[0] == element }) { return "\(begins) it reads from several stages" }
        return segment?.instances == .any
            ? "\(begins) apart from \(producers(element)) it can have as many workers as it needs"
            : "\(begins) fused with \(producers(element)) it would hold the run up, or keep others from having more workers"
    }

    /// What the stage has to do.
    func work(of stage: Segment, _ costs: Costs) -> String {
        let parts = stage.elements.map { element in
            let cost = costs.elements[id(element)]
            return "\(id(element)) \(cost.map { "\($0.calls) calls of \(Quantity.seconds($0.secondsPerCall))" } ?? "unknown")"
        }
        let share = stage.workers == 1 ? "" : ", \(Quantity.seconds(stage.load)) for each of \(stage.workers) workers"
        return "its work in the measured run was \(Quantity.seconds(stage.work)) (\(parts.joined(separator: ", ")))\(share)"
    }

    func ranks(_ used: Int, of requested: Int, _ workers: Int) -> String {
        if used < requested {
            return "\(used) of \(requested) ranks are used: the graph has \(workers) worker\(workers == 1 ? "" : "s"); "
                + "declare numprocesses or stateful = False and give costs, or choose the spread layout, for more"
        }
        return workers > used
            ? "\(workers) workers share \(used) rank\(used == 1 ? "" : "s")" : "each of the \(workers) workers has a rank of its own"
    }

    /// What limits the throughput; nil where nothing was measured.
    func forecast(_ stages: [Segment], _ placement: Placement, items: Int) -> String? {
        guard placement.maximum > 0, items > 0, let busiest = placement.loads.firstIndex(of: placement.maximum) else { return nil }
        var held: [Int] = []
        var worker = 0
        for (stage, value) in stages.enumerated() {
            if placement.ranks[worker..<worker + value.workers].contains(busiest) { held.append(stage) }
            worker += value.workers
        }
        let names = held.map { "stage \($0) (\(stages[$0].elements.map(id).joined(separator: " > ")))" }
        return "predicted are \(Quantity.number(Double(items) / placement.maximum)) items/s from the sources: "
            + "\(names.joined(separator: " and ")) on rank \(busiest) limit\(held.count == 1 ? "s" : "") it, "
            + "with \(Quantity.seconds(placement.maximum / Double(items))) for each item"
    }

    private func id(_ element: Int) -> String { topology.graph.elements[element].id }
    private func producers(_ element: Int) -> String {
        topology.incoming[element].map { topology.graph.edges[$0].from }.joined(separator: ", ")
    }
}

/// Numbers with three significant digits.
enum Quantity {
    static func seconds(_ value: Double) -> String {
        switch value {
        case 1...: "\(number(value)) s"
        case 1e-3...: "\(number(value * 1e3)) ms"
        case 0: "0 s"
        default: "\(number(value * 1e6)) µs"
        }
    }

    static func number(_ value: Double) -> String {
        var scale = 1.0
        while value * scale < 100, scale < 1e4 { scale *= 10 }
        let rounded = (value * scale).rounded() / scale
        return rounded == rounded.rounded() && rounded < 1e15 ? "\(Int(rounded))" : "\(rounded)"
    }
}
