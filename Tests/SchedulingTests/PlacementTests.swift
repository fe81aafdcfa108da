// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

@Suite struct PlacementTests {
    static func node(_ name: String, slots: Int = 4, memory: Int = 1000, labels: Set<String> = [], state: ClusterNode.State = .up)
        -> NodeRoom
    {
        NodeRoom(ClusterNode(name: name, state: state, cores: slots, memory: memory, slots: slots, labels: labels))
    }

    static func request(_ ranks: Int, memory: Int = 1, nodes: Int? = nil, labels: [String]? = nil, blocks: [RankBlock] = [])
        -> ResourceRequest
    {
        ResourceRequest(ranks: ranks, memoryPerRank: memory, needs: RunNeeds(nodes: nodes, labels: labels), blocks: blocks)
    }

    @Test func aRunTakesTheFewestNodesThatHoldIt() {
        let rooms = [Self.node("a", slots: 2), Self.node("b", slots: 8), Self.node("c", slots: 3)]
        #expect(Placement.find(for: Self.request(3), on: rooms) == .placed([NodeShare(node: "c", ranks: 3)]))
        #expect(
            Placement.find(for: Self.request(10), on: rooms)
                == .placed([NodeShare(node: "b", ranks: 8), NodeShare(node: "a", ranks: 2)]))
    }

    @Test func ranksAreSpreadEvenlyOverTheNodesAskedFor() {
        let rooms = [Self.node("a"), Self.node("b"), Self.node("c"), Self.node("d", slots: 1)]
        #expect(
            Placement.find(for: Self.request(7, nodes: 3), on: rooms)
                == .placed([NodeShare(node: "a", ranks: 3), NodeShare(node: "b", ranks: 2), NodeShare(node: "c", ranks: 2)]))
        #expect(Placement.find(for: Self.request(8, nodes: 4), on: rooms) == .lacking(.scattered(ranks: 8, fit: 6, nodes: 4)))
    }

    @Test func scarceNodesAreLeftToThoseWhoNeedThem() {
        let rooms = [Self.node("gpu", labels: ["gpu"]), Self.node("plain")]
        #expect(Placement.find(for: Self.request(4), on: rooms) == .placed([NodeShare(node: "plain", ranks: 4)]))
        #expect(Placement.find(for: Self.request(4, labels: ["gpu"]), on: rooms) == .placed([NodeShare(node: "gpu", ranks: 4)]))
    }

    @Test func ranksOfOneRunMayNeedSeveralClasses() {
        let rooms = [Self.node("gpu", slots: 2, labels: ["gpu"]), Self.node("plain", slots: 3)]
        let blocks = [RankBlock(ranks: 2, labels: []), RankBlock(ranks: 1, labels: ["gpu"]), RankBlock(ranks: 2, labels: [])]
        // The rank that needs the label is placed before those that could take its slot.
        #expect(
            Placement.find(for: Self.request(5, blocks: blocks), on: rooms)
                == .placed([
                    NodeShare(node: "plain", ranks: 2), NodeShare(node: "gpu", ranks: 1), NodeShare(node: "plain", ranks: 1),
                    NodeShare(node: "gpu", ranks: 1),
                ]))
    }

    @Test func nodesThatFailedAreAvoidedWhileOthersCanDo() {
        let rooms = [Self.node("a"), Self.node("b")]
        #expect(Placement.find(for: Self.request(2), on: rooms, avoiding: ["a"]) == .placed([NodeShare(node: "b", ranks: 2)]))
        var busy = rooms
        busy[1].take(ranks: 4, memoryPerRank: 1)
        #expect(Placement.find(for: Self.request(2), on: busy, avoiding: ["a"]) == .lacking(.slots(needed: 2, free: 0)))
        #expect(Placement.find(for: Self.request(2), on: [rooms[0]], avoiding: ["a"]) == .placed([NodeShare(node: "a", ranks: 2)]))
    }

    @Test func whatIsLackingIsSaid() {
        let down = [Self.node("a", state: .down), Self.node("b", state: .drained)]
        guard case .lacking(let shortage) = Placement.find(for: Self.request(1), on: down) else { return #expect(Bool(false)) }
        #expect(shortage.description == "no node that would do takes ranks: a is down, b is drained")
        guard case .lacking(let other) = Placement.find(for: Self.request(1, labels: ["fpga"]), on: [Self.node("a")]) else {
            return #expect(Bool(false))
        }
        #expect(other.description == "no node has fpga")
    }

    @Test func roomIsNeverExceededAndNoRankIsLost() {
        for _ in 0..<2000 {
            let kinds: [Set<String>] = [[], ["x"], ["y"], ["x", "y"]]
            let rooms = (0..<Int.random(in: 1...8)).map { index in
                Self.node(
                    "n\(index)", slots: .random(in: 0...6), memory: .random(in: 0...60), labels: kinds.randomElement() ?? [],
                    state: Int.random(in: 0..<6) == 0 ? .down : .up)
            }
            let blocks = (0..<Int.random(in: 1...4)).map { _ in RankBlock(ranks: .random(in: 1...5), labels: kinds.randomElement() ?? []) }
            let request = Self.request(blocks.reduce(0) { $0 + $1.ranks }, memory: .random(in: 1...20), blocks: blocks)
            guard case .placed(let shares) = Placement.find(for: request, on: rooms) else { continue }
            let nodesOfRanks = shares.flatMap { share in (0..<share.ranks).map { _ in share.node } }
            #expect(nodesOfRanks.count == request.ranks)
            let labelsOfRanks = blocks.flatMap { block in (0..<block.ranks).map { _ in block.labels } }
            for (name, labels) in zip(nodesOfRanks, labelsOfRanks) {
                let room = rooms.first { $0.node.name == name }
                #expect(room?.node.state == .up && room?.node.labels.isSuperset(of: labels) == true)
            }
            for room in rooms {
                let ranks = nodesOfRanks.count { $0 == room.node.name }
                #expect(ranks <= room.slots && ranks * request.memoryPerRank <= room.memory)
            }
        }
    }
}
