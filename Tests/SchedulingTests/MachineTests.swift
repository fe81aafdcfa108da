// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@testable import Scheduling

@Suite struct MachineTests {
    @Test func aCeilingHoldsForAllThatIsTakenAtOnce() {
        var machine = Machine(equalNodes(3, slots: 3))
        var ceilings = Ceilings(nodes: 3)
        for node in 0..<3 { ceilings.lower(node, to: Machine.Room(slots: 1, memory: 0)) }
        #expect(machine.place(3, .any, within: ceilings)?.nodeOfRank.sorted() == [0, 1, 2])
        #expect(machine.freeSlots == 6)
    }

    /// Under ceilings or not, ranks are placed if they fit, and never beyond what is open.
    @Test func whatFitsIsPlacedAndComesBack() {
        var random = SeededGenerator(8)
        for _ in 0..<1500 {
            let nodes = (0..<1 + random.below(6)).map { index in
                let slots = 1 + random.below(4)
                return ClusterNode(
                    name: "n\(index)", cores: slots, memory: 10 * random.below(8), slots: slots,
                    labels: random.chance(1, in: 3) ? ["x"] : [])
            }
            var machine = Machine(nodes)
            let needs = RunNeeds(labels: random.chance(1, in: 4) ? ["x"] : nil)
            let memory = random.below(20)
            let demand = machine.demand(of: ResourceRequest(ranks: 1, memoryPerRank: memory, needs: needs))
            var ceilings = Ceilings(nodes: nodes.count)
            var open = nodes.map {
                needs.labels == nil || $0.labels == ["x"] ? Machine.Room(slots: $0.slots, memory: $0.memory).ranks(memory) : 0
            }
            for node in nodes.indices where random.chance(1, in: 2) {
                let room = Machine.Room(slots: random.below(4), memory: random.below(60))
                ceilings.lower(node, to: room)
                open[node] = min(open[node], room.ranks(memory))
            }
            let (ranks, before) = (1 + random.below(8), machine.freeSlots)
            guard let shares = machine.place(ranks, demand, within: ceilings) else {
                #expect(open.reduce(0, +) < ranks && machine.freeSlots == before)
                continue
            }
            let placed = shares.nodeOfRank
            #expect(placed.count == ranks && machine.freeSlots == before - ranks)
            guard nodes.indices.allSatisfy({ node in placed.count { $0 == node } <= open[node] }) else {
                return #expect(Bool(false), "\(placed) of \(open)")
            }
            machine.release(shares, demand)
            #expect(machine.freeSlots == before)
        }
    }
}
