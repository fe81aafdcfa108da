// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Scheduling

@Suite struct SortedChunksTests {
    @Test func elementsStaySortedOverManyChunks() {
        var random = SeededGenerator(2)
        var (list, same) = (SortedChunks<Int>(), Set<Int>())
        for step in 0..<6000 {
            let element = random.below(4000)
            if same.contains(element) || step > 4000 && random.chance(1, in: 2) {
                list.remove(element)
                same.remove(element)
            } else {
                list.insert(element)
                same.insert(element)
            }
        }
        #expect(Array(list.chunks.joined()) == same.sorted())
        #expect(list.chunks.count > 1 && list.chunks.allSatisfy { !$0.isEmpty && $0.count <= 512 })
        for element in same { list.remove(element) }
        #expect(list.chunks.isEmpty)
    }

    @Test func whatIsNotThereIsNotRemoved() {
        var list = SortedChunks<JobEnd>()
        list.remove(JobEnd(time: 1, job: 1))
        list.insert(JobEnd(time: 2, job: 1))
        for end in [JobEnd(time: 2, job: 0), JobEnd(time: 2, job: 2), JobEnd(time: 1, job: 1), JobEnd(time: 3, job: 1)] { list.remove(end) }
        #expect(list.chunks == [[JobEnd(time: 2, job: 1)]])
    }

    @Test func endsAreOrderedByTimeAndThenByJob() {
        var list = SortedChunks<JobEnd>()
        for (time, job) in [(5, 1), (3, 9), (5, 0), (4, 2)] { list.insert(JobEnd(time: time, job: job)) }
        #expect(list.chunks.joined().map(\.job) == [9, 2, 0, 1])
    }
}
