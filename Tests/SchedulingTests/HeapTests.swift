// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Scheduling

@Suite struct HeapTests {
    @Test func theLeastComesFirst() {
        var random = SeededGenerator(3)
        var (heap, same) = (Heap<Int>(), [Int]())
        #expect(heap.least == nil)
        for _ in 0..<2000 {
            if random.chance(3, in: 5) || same.isEmpty {
                let element = random.below(500)
                heap.insert(element)
                same.append(element)
                same.sort(by: >)
            } else {
                heap.removeLeast()
                same.removeLast()
            }
            guard heap.least == same.last else { return #expect(heap.least == same.last) }
        }
        while let least = same.popLast() {
            #expect(heap.least == least)
            heap.removeLeast()
        }
        #expect(heap.least == nil)
    }
}
