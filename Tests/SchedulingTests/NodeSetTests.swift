// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Scheduling

@Suite struct NodeSetTests {
    @Test func nodesOfAllWordsAreFoundInOrder() {
        var set = NodeSet(capacity: 10_000)
        let nodes = [0, 63, 64, 4095, 4096, 4160, 9999]
        for node in nodes.reversed() { set.insert(node) }
        var found: [Int] = []
        set.forEach { found.append($0) }
        #expect(found == nodes && set.count == nodes.count)
        #expect(nodes.allSatisfy { set.contains($0) } && !set.contains(1) && !set.contains(4097))
        #expect(set.first() == 0 && set.first(from: 1) == 63 && set.first(from: 65) == 4095 && set.first(from: 4161) == 9999)
        #expect(set.first(where: { $0 > 4096 }) == 4160 && set.first(where: { $0 > 9999 }) == nil)
    }

    @Test func theEmptySetHasNoFirst() {
        #expect(NodeSet(capacity: 0).first() == nil)
        var set = NodeSet(capacity: 65)
        #expect(set.first() == nil)
        set.insert(64)
        set.remove(64)
        set.remove(64)
        #expect(set.first() == nil && set.count == 0 && set == NodeSet(capacity: 65))
    }

    @Test func itIsTheSetThatItWouldBe() {
        var random = SeededGenerator(1)
        for capacity in [1, 64, 65, 5000] {
            var (set, other, same) = (NodeSet(capacity: capacity), NodeSet(capacity: capacity), Set<Int>())
            for step in 0..<600 {
                let node = random.below(capacity)
                if random.chance(3, in: 5) {
                    set.insert(node)
                    same.insert(node)
                } else {
                    set.remove(node)
                    same.remove(node)
                }
                if random.chance(1, in: 50) { other.insert(node) }
                guard step % 10 == 0 else { continue }
                let start = random.below(capacity)
                #expect(set.count == same.count && set.contains(node) == same.contains(node))
                #expect(set.first(from: start) == same.filter { $0 >= start }.min())
                #expect(set.first(from: start, where: { $0 % 3 == 0 }) == same.filter { $0 >= start && $0 % 3 == 0 }.min())
            }
            var both = same
            other.forEach { both.insert($0) }
            set.formUnion(other)
            #expect(set.count == both.count && both.allSatisfy { set.contains($0) })
        }
    }
}
