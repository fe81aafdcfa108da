// SPDX-License-Identifier: Apache-2.0

/// Nodes of which a job may use less than is free, because of what is to come there.
struct Ceilings: Sendable {
    private(set) var nodes: NodeSet
    /// Those of which it may use nothing.
    private var closed: NodeSet
    /// What of the others.
    private var rooms: [Int: Machine.Room] = [:]

    init(nodes count: Int) {
        nodes = NodeSet(capacity: count)
        closed = nodes
    }

    var isEmpty: Bool { nodes.count == 0 }

    /// Of a node that is not in ``nodes``, all is open.
    func room(_ node: Int, _ free: Machine.Room) -> Machine.Room {
        guard nodes.contains(node) else { return free }
        guard !closed.contains(node), let ceiling = rooms[node] else { return .none }
        return Machine.Room(slots: min(free.slots, ceiling.slots), memory: min(free.memory, ceiling.memory))
    }

    mutating func close(_ node: Int) {
        nodes.insert(node)
        closed.insert(node)
    }

    mutating func lower(_ node: Int, to room: Machine.Room) {
        nodes.insert(node)
        let old = rooms[node] ?? room
        rooms[node] = Machine.Room(slots: min(old.slots, room.slots), memory: min(old.memory, room.memory))
    }

    /// Both.
    static func lower(_ ceilings: Ceilings?, _ closed: Ceilings?) -> Ceilings? {
        guard var ceilings, let closed else { return ceilings ?? closed }
        ceilings.nodes.formUnion(closed.nodes)
        ceilings.closed.formUnion(closed.nodes)
        return ceilings
    }
}
