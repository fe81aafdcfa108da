// SPDX-License-Identifier: Apache-2.0

/// Nodes of which a job may use less than is free, because of what is to come there.
struct Ceilings: Sendable {
    private(set) var nodes: NodeSet
    /// Those of which it may use nothing.
    private var closed: NodeSet
    /// What of the others, by node; empty while there are none.
    private var rooms: [Machine.Room] = []

    init(nodes count: Int) {
        nodes = NodeSet(capacity: count)
        closed = nodes
    }

    var isEmpty: Bool { nodes.count == 0 }

    /// Of a node that is not in ``nodes``, all is open.
    func room(_ node: Int, _ free: Machine.Room) -> Machine.Room {
        guard nodes.contains(node) else { return free }
        return closed.contains(node) || rooms.isEmpty ? .none : free.least(rooms[node])
    }

    mutating func close(_ node: Int) {
        nodes.insert(node)
        closed.insert(node)
    }

    mutating func lower(_ node: Int, to room: Machine.Room) {
        let isFirst = begin(node)
        rooms[node] = isFirst ? room : rooms[node].least(room)
    }

    /// Leaves less of a node, of which `room` is open where nothing was said of it before.
    mutating func lower(_ node: Int, by amount: Machine.Room, from room: @autoclosure () -> Machine.Room) {
        let isFirst = begin(node)
        rooms[node] = (isFirst ? room() : rooms[node]) - amount
    }

    /// - Returns: whether nothing was said of the node before.
    private mutating func begin(_ node: Int) -> Bool {
        if rooms.isEmpty { rooms = [Machine.Room](repeating: .none, count: nodes.capacity) }
        defer { nodes.insert(node) }
        return !nodes.contains(node)
    }

    /// Both.
    static func lower(_ ceilings: Ceilings?, _ closed: Ceilings?) -> Ceilings? {
        guard var ceilings, let closed else { return ceilings ?? closed }
        ceilings.nodes.formUnion(closed.nodes)
        ceilings.closed.formUnion(closed.nodes)
        return ceilings
    }
}
