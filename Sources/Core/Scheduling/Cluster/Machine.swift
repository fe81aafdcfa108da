// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Names what the ranks of some jobs need of their nodes, as a ``Machine`` knows it.
package struct DemandID: Sendable, Hashable {
    var index: Int
    /// A slot, and nothing else.
    package static let any = DemandID(index: 0)
}

/// The nodes and what of each is free, kept so that whether and where ranks fit is known without looking at every node.
///
/// Nodes that offer the same are a class, in which they are found by what of them is free. How many ranks of each demand fit is
/// counted along.
package struct Machine: Sendable {
    /// What of a node is free.
    struct Room: Sendable, Hashable, Comparable {
        var slots: Int
        /// MiB.
        var memory: Int

        static let none = Room(slots: 0, memory: 0)
        /// More than any node has.
        static let all = Room(slots: .max, memory: .max)

        init(slots: Int, memory: Int) {
            self.slots = slots
            self.memory = memory
        }

        init(_ node: ClusterNode) { self.init(slots: max(0, node.slots), memory: node.memory) }

        func ranks(_ memoryPerRank: Int) -> Int {
            // Seldom is there anything to divide.
            if slots <= 0 { return 0 }
            return memoryPerRank == 0 || slots * memoryPerRank <= memory ? slots : max(0, memory / memoryPerRank)
        }

        var isOverdrawn: Bool { slots < 0 || memory < 0 }

        func least(_ other: Room) -> Room { Room(slots: min(slots, other.slots), memory: min(memory, other.memory)) }

        static func < (left: Room, right: Room) -> Bool {
            left.slots < right.slots || (left.slots == right.slots && left.memory < right.memory)
        }

        static func + (left: Room, right: Room) -> Room { Room(slots: left.slots + right.slots, memory: left.memory + right.memory) }
        static func - (left: Room, right: Room) -> Room { Room(slots: left.slots - right.slots, memory: left.memory - right.memory) }
    }

    private struct Class: Sendable {
        var offer: ClusterNode
        /// Of its nodes that are up, what is free, ascending.
        var rooms: [Room] = []
        /// The nodes with each of ``rooms``; none is empty.
        var groups: [NodeSet] = []
        /// Empty ones for later groups.
        private var spare: [NodeSet] = []
        /// The demands that its nodes suit.
        var demands: [Int] = []

        init(offer: ClusterNode) { self.offer = offer }

        /// The first of ``rooms`` that is not less.
        private func place(of room: Room) -> Int {
            var (low, high) = (0, rooms.count)
            while low < high {
                let middle = (low + high) / 2
                if rooms[middle] < room { low = middle + 1 } else { high = middle }
            }
            return low
        }

        func group(of room: Room) -> Int? {
            let place = place(of: room)
            return place < rooms.count && rooms[place] == room ? place : nil
        }

        mutating func insert(_ alike: Range<Int>, _ room: Room, capacity: Int) {
            let place = place(of: room)
            if place == rooms.count || rooms[place] != room {
                rooms.insert(room, at: place)
                groups.insert(spare.popLast() ?? NodeSet(capacity: capacity), at: place)
            }
            groups[place].insert(alike)
        }

        mutating func remove(_ alike: Range<Int>, _ room: Room) {
            guard let place = group(of: room) else { return }
            groups[place].remove(alike)
            guard groups[place].count == 0 else { return }
            rooms.remove(at: place)
            spare.append(groups.remove(at: place))
        }
    }

    private struct Demand: Sendable {
        var request: ResourceRequest
        /// The classes that suit it, those that suit the most others last.
        var classes: [Int]
        var suitsClass: [Bool]
        /// How many ranks fit if all nodes are up and empty.
        var capacity = 0
        /// Of ranks that are not all alike, once it was asked for.
        var fitsEmpty: Bool?

        /// Its ranks are not all alike, or must be spread evenly.
        var isShaped: Bool { request.needs.nodes != nil || !request.blocks.isEmpty }
    }

    private struct Offer: Hashable {
        var nodeClass: NodeClass
        var slots: Int
    }

    package private(set) var nodes: [ClusterNode]
    package private(set) var freeSlots = 0
    /// Of all nodes that are up.
    private(set) var upSlots = 0
    /// Those that are not up, but something runs there.
    private(set) var strandedNodes = 0
    /// Those that are up and offer less than what runs there holds.
    private(set) var overfullNodes = 0
    private var free: [Room]
    private var isUp: [Bool]
    private var classOf: [Int]
    private var classes: [Class] = []
    private var demands: [Demand] = []
    /// By demand: how many ranks fit now.
    private var fits: [Int] = []
    /// By demand. MiB.
    private var memories: [Int] = []
    private var known: [ResourceRequest: DemandID] = [:]
    private var indices: [String: Int] = [:]

    package init(_ nodes: [ClusterNode]) {
        self.nodes = nodes
        free = nodes.map { Room($0) }
        isUp = nodes.map { $0.state == .up }
        classOf = []
        var offers: [Offer: Int] = [:]
        for (index, node) in nodes.enumerated() {
            indices[node.name] = index
            let offer = Offer(nodeClass: node.nodeClass, slots: node.slots)
            let place = offers[offer] ?? classes.count
            if place == classes.count {
                offers[offer] = place
                classes.append(Class(offer: node))
            }
            classOf.append(place)
            if isUp[index] {
                classes[place].insert(index..<index + 1, free[index], capacity: nodes.count)
                freeSlots += free[index].slots
                upSlots += free[index].slots
            }
        }
        _ = demand(of: ResourceRequest(ranks: 1, memoryPerRank: 0))
    }

    /// With nothing running, and more nodes behind its own; its demands are known by the same names.
    func emptied(adding added: [ClusterNode]) -> Machine {
        var machine = Machine(nodes + added)
        for demand in demands { _ = machine.demand(of: demand.request) }
        for node in nodes.indices { machine.setUp(node, isUp[node]) }
        return machine
    }

    package func index(of node: String) -> Int? { indices[node] }

    func isUp(_ node: Int) -> Bool { isUp[node] }

    func room(_ node: Int) -> Room { free[node] }

    /// With nothing running.
    var emptyRooms: [Room] { nodes.indices.map { isUp[$0] ? Room(nodes[$0]) : .none } }

    // MARK: Demands

    /// Of different ones that were asked for.
    package var demandCount: Int { demands.count }

    package mutating func demand(of request: ResourceRequest) -> DemandID {
        var key = ResourceRequest(ranks: 1, memoryPerRank: request.memoryPerRank)
        key.needs.labels = request.needs.labels.map { Set($0).sorted() }
        key.needs.architecture = request.needs.architecture
        if request.needs.nodes != nil || !request.blocks.isEmpty {
            key.ranks = request.ranks
            key.needs.nodes = request.needs.nodes
            key.blocks = request.blocks
        }
        if let id = known[key] { return id }
        let id = DemandID(index: demands.count)
        let suits = classes.map { $0.offer.matches(key.needs, []) }
        let suiting = classes.indices.filter { suits[$0] }
        var demand = Demand(
            request: key,
            classes: suiting.sorted { (classes[$0].offer.labels.count, $0) < (classes[$1].offer.labels.count, $1) }, suitsClass: suits)
        var fit = 0
        for place in suiting { classes[place].demands.append(id.index) }
        for node in nodes.indices where suits[classOf[node]] {
            demand.capacity += Room(nodes[node]).ranks(key.memoryPerRank)
            if isUp[node] { fit += free[node].ranks(key.memoryPerRank) }
        }
        demands.append(demand)
        fits.append(fit)
        memories.append(key.memoryPerRank)
        known[key] = id
        return id
    }

    package func memoryPerRank(_ demand: DemandID) -> Int { memories[demand.index] }

    func isShaped(_ demand: DemandID) -> Bool { demands[demand.index].isShaped }

    func suits(_ node: Int, _ demand: DemandID) -> Bool { isUp[node] && demands[demand.index].suitsClass[classOf[node]] }

    /// How many ranks fit now: an upper bound where the ranks are not all alike.
    func fit(_ demand: DemandID, within ceilings: Ceilings? = nil) -> Int {
        guard let ceilings else { return fits[demand.index] }
        var fit = fits[demand.index]
        let memory = memories[demand.index]
        ceilings.nodes.forEach { node in
            let most = free[node].ranks(memory)
            if most > 0, suits(node, demand) { fit -= most - ceilings.room(node, free[node]).ranks(memory) }
        }
        return fit
    }

    /// Whether it would not fit even if all nodes were up and empty.
    mutating func isTooLarge(_ ranks: Int, _ demand: DemandID) -> Bool {
        guard demands[demand.index].isShaped else { return ranks > demands[demand.index].capacity }
        if let known = demands[demand.index].fitsEmpty { return !known }
        let fits = shares(of: ranks, demand, in: nodes.map { Room($0) }, within: nil, evenIfDown: true) != nil
        demands[demand.index].fitsEmpty = fits
        return !fits
    }

    /// Any slot of any node takes a rank of it, whatever others of the kind are there.
    func isPlain(_ demand: DemandID) -> Bool {
        let value = demands[demand.index]
        return !value.isShaped && value.suitsClass.allSatisfy(\.self)
            && classes.allSatisfy { value.request.memoryPerRank * $0.offer.slots <= $0.offer.memory || value.request.memoryPerRank == 0 }
    }

    /// Whether so many ranks could ever start without some nodes.
    func isEnough(_ ranks: Int, _ demand: DemandID, without nodes: [Int]) -> Bool {
        guard !nodes.isEmpty else { return true }
        var rooms = self.nodes.map { Room($0) }
        for node in nodes { rooms[node] = .none }
        return shares(of: ranks, demand, in: rooms, within: nil, evenIfDown: true) != nil
    }

    /// Why the ranks do not fit: now, or even if all nodes were up and empty.
    func shortage(_ ranks: Int, _ demand: DemandID, whenEmpty: Bool, within ceilings: Ceilings?) -> Placement.Shortage? {
        var request = demands[demand.index].request
        request.ranks = ranks
        let rooms = nodes.indices.map { index in
            var node = nodes[index]
            node.state = isUp[index] || whenEmpty ? .up : node.state == .up ? .drained : node.state
            var room = NodeRoom(node)
            let open = whenEmpty ? Room(node) : ceilings?.room(index, free[index]) ?? free[index]
            room.slots = open.slots
            room.memory = open.memory
            return room
        }
        guard demands[demand.index].isShaped else {
            let fit = rooms.indices.reduce(0) { fit, node in
                let suits = rooms[node].node.state == .up && demands[demand.index].suitsClass[classOf[node]]
                return suits ? fit + rooms[node].ranks(memoryPerRank: request.memoryPerRank) : fit
            }
            return fit >= ranks ? nil : Placement.shortage(request, ranks: ranks, labels: [], rooms)
        }
        guard case .lacking(let shortage) = Placement.find(for: request, on: rooms) else { return nil }
        return shortage
    }

    /// Whether any rank of `other` takes the place of one of `demand`, neither more nor less.
    func takesEqually(_ demand: DemandID, _ other: DemandID) -> Bool {
        guard memories[demand.index] == 0, !demands[demand.index].isShaped else { return false }
        return zip(demands[demand.index].suitsClass, demands[other.index].suitsClass).allSatisfy { $0 || !$1 }
    }

    /// A place on nodes with such rooms.
    func shares(of ranks: Int, _ demand: DemandID, in rooms: [Room], within ceilings: Ceilings?, evenIfDown: Bool = false) -> [Share]? {
        guard demands[demand.index].isShaped else {
            return countedShares(of: ranks, demand, in: rooms, within: ceilings, evenIfDown: evenIfDown)
        }
        let nodeRooms = nodes.indices.filter { evenIfDown || isUp[$0] }.map { index in
            let open = ceilings?.room(index, rooms[index]) ?? rooms[index]
            var room = NodeRoom(nodes[index].asUp)
            room.slots = open.slots
            room.memory = open.memory
            return room
        }
        var request = demands[demand.index].request
        request.ranks = ranks
        guard case .placed(let shares) = Placement.find(for: request, on: nodeRooms) else { return nil }
        return shares.compactMap { share in indices[share.node].map { Share(node: $0, ranks: share.ranks) } }
    }

    private func countedShares(
        of ranks: Int, _ demand: DemandID, in rooms: [Room], within ceilings: Ceilings?, evenIfDown: Bool
    ) -> [Share]? {
        var shares: [Share] = []
        var left = ranks
        for place in demands[demand.index].classes {
            for node in nodes.indices where classOf[node] == place && (isUp[node] || evenIfDown) && left > 0 {
                let most = (ceilings?.room(node, rooms[node]) ?? rooms[node]).ranks(memories[demand.index])
                guard most > 0 else { continue }
                shares.append(Share(node: node, ranks: min(most, left)))
                left -= min(most, left)
            }
        }
        return left == 0 ? shares : nil
    }

    // MARK: Taking and giving back

    /// Takes room for all ranks, or none. Nodes that suit the most demands are taken last; of the others the fullest in which all
    /// that is left fits, else the emptiest.
    mutating func place(_ ranks: Int, _ demand: DemandID, within ceilings: Ceilings? = nil) -> [Share]? {
        if demands[demand.index].isShaped {
            guard freeSlots >= ranks, let shares = shares(of: ranks, demand, in: free, within: ceilings) else { return nil }
            take(shares, demand)
            return shares
        }
        guard fits[demand.index] >= ranks, ceilings == nil || fit(demand, within: ceilings) >= ranks else { return nil }
        let memory = memories[demand.index]
        var shares: [Share] = []
        var left = ranks
        for place in demands[demand.index].classes where left > 0 {
            while left > 0, let room = bestRoom(in: place, for: left, memory, ceilings?.nodes) {
                fill(from: room, of: place, &left, memory, ceilings?.nodes, &shares)
            }
            guard let ceilings, left > 0 else { continue }
            // Where some of what is free is not open, each node is looked at.
            ceilings.nodes.forEach { node in
                let most = classOf[node] == place && isUp[node] ? ceilings.room(node, free[node]).ranks(memory) : 0
                guard left > 0, most > 0 else { return }
                shares.append(Share(node: node, ranks: min(left, most)))
                change(shares[shares.count - 1], memory, sign: -1)
                left -= min(left, most)
            }
        }
        return shares
    }

    /// Of what is free of nodes outside `closed`: the least room in which all `ranks` fit, else the most.
    private func bestRoom(in place: Int, for ranks: Int, _ memory: Int, _ closed: NodeSet?) -> Room? {
        var best: (room: Room, order: Int)?
        for (group, room) in classes[place].rooms.enumerated() {
            let most = room.ranks(memory)
            guard most > 0 else { continue }
            // Of equal ones the first, which has the least room.
            let order = most >= ranks ? most - ranks : Int.max - most
            guard best.map({ order < $0.order }) ?? true else { continue }
            if let closed, classes[place].groups[group].first(where: { !closed.contains($0) }) == nil { continue }
            best = (room, order)
        }
        return best?.room
    }

    /// Takes nodes of a group, as long as all that each has room for is needed; at least one.
    private mutating func fill(
        from room: Room, of place: Int, _ left: inout Int, _ memory: Int, _ closed: NodeSet?, _ shares: inout [Share]
    ) {
        let most = room.ranks(memory)
        var from = 0
        repeat {
            guard let group = classes[place].group(of: room),
                let node = classes[place].groups[group].first(from: from, where: { !(closed?.contains($0) ?? false) })
            else { return }
            var end = node + 1
            let limit = min(nodes.count, node + left / most)
            while end < limit, classes[place].groups[group].contains(end), !(closed?.contains(end) ?? false) { end += 1 }
            let share = Share(nodes: node..<end, ranks: min(left, most))
            change(share, memory, sign: -1)
            shares.append(share)
            left -= Int(share.ranks) * (end - node)
            from = end
        } while left >= most
    }

    /// Takes just these shares, if they are free.
    mutating func take(ifFree shares: [Share], _ demand: DemandID) -> Bool {
        var needed: [Int: Int] = [:]
        for share in shares { for node in share.nodes { needed[node, default: 0] += Int(share.ranks) } }
        guard needed.allSatisfy({ isUp[$0] && free[$0].ranks(memories[demand.index]) >= $1 }) else { return false }
        take(shares, demand)
        return true
    }

    mutating func take(_ shares: [Share], _ demand: DemandID) {
        for share in shares { change(share, memories[demand.index], sign: -1) }
    }

    mutating func release(_ shares: [Share], _ demand: DemandID) {
        for share in shares { change(share, memories[demand.index], sign: 1) }
    }

    /// A node that is not up takes nothing new; what runs there goes on.
    package mutating func setUp(_ node: Int, _ up: Bool) {
        guard isUp[node] != up else { return }
        if isUp[node] { count(node..<node + 1, from: free[node], to: nil) }
        isUp[node] = up
        if free[node] != Room(nodes[node]) { strandedNodes += up ? -1 : 1 }
        upSlots += (up ? 1 : -1) * Room(nodes[node]).slots
        if up { count(node..<node + 1, from: nil, to: free[node]) }
    }

    /// Nodes of a share that are alike are counted together.
    private mutating func change(_ share: Share, _ memoryPerRank: Int, sign: Int) {
        let ranks = Int(share.ranks)
        let amount = Room(slots: sign * ranks, memory: sign * ranks * memoryPerRank)
        var node = share.nodes.lowerBound
        while node < share.nodes.upperBound {
            let (before, place, up) = (free[node], classOf[node], isUp[node])
            let after = before + amount
            var end = node
            while end < share.nodes.upperBound, free[end] == before, classOf[end] == place, isUp[end] == up {
                free[end] = after
                end += 1
            }
            if up {
                count(node..<end, from: before, to: after)
            } else {
                for down in node..<end {
                    let empty = Room(nodes[down])
                    strandedNodes += (after == empty ? 0 : 1) - (before == empty ? 0 : 1)
                }
            }
            node = end
        }
    }

    /// Says what of some nodes is free, by node.
    mutating func setRooms(of nodes: Range<Int>, to rooms: [Room]) {
        let first = nodes.lowerBound
        var node = first
        while node < nodes.upperBound {
            let (before, after, place, up) = (free[node], rooms[node - first], classOf[node], isUp[node])
            var end = node
            while end < nodes.upperBound, free[end] == before, rooms[end - first] == after, classOf[end] == place, isUp[end] == up {
                free[end] = after
                end += 1
            }
            if up, before != after { count(node..<end, from: before, to: after) }
            node = end
        }
    }

    /// Counts nodes of one class out with the room that each had, and in with the one that it has.
    private mutating func count(_ alike: Range<Int>, from before: Room?, to after: Room?) {
        let place = classOf[alike.lowerBound]
        if let before { classes[place].remove(alike, before) }
        if let after { classes[place].insert(alike, after, capacity: nodes.count) }
        freeSlots += (max(0, after?.slots ?? 0) - max(0, before?.slots ?? 0)) * alike.count
        overfullNodes += ((after?.isOverdrawn ?? false ? 1 : 0) - (before?.isOverdrawn ?? false ? 1 : 0)) * alike.count
        for index in classes[place].demands.indices {
            let demand = classes[place].demands[index]
            let memory = memories[demand]
            fits[demand] += ((after?.ranks(memory) ?? 0) - (before?.ranks(memory) ?? 0)) * alike.count
        }
    }
}

extension ClusterNode {
    fileprivate var asUp: ClusterNode {
        var node = self
        node.state = .up
        return node
    }
}
