// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import StreamEngine

struct CheckpointPaceTests {
    private let first = CheckpointRules.firstItems(workers: 3)

    private final class Pace {
        private var pace: CheckpointPace

        init(interval: Int64, workers: Int = 3) {
            pace = CheckpointPace(interval: interval, workers: workers)
            _ = pace.tick(0)
        }

        func paused() { pace.paused() }
        func took(_ checkpoint: UInt32) throws { try pace.took(checkpoint) }
        func end() { pace.end() }
        func complete(_ checkpoint: UInt32, workers: Int = 3) throws { for _ in 0..<workers { try took(checkpoint) } }
        func tick(_ now: Int64) -> [Int]? { pace.tick(now).map { [Int($0.checkpoint), $0.items] } }
    }

    @Test func oneBeginsWhenTheIntervalIsOverAndTheLastIsComplete() throws {
        let pace = Pace(interval: 100)
        #expect(pace.tick(99) == nil)
        #expect(pace.tick(100) == [1, first])
        #expect(pace.tick(1000) == nil, "the last is not complete")
        try pace.complete(1)
        #expect(pace.tick(1000)?.first == 2)
        try pace.complete(2)
        #expect(pace.tick(1099) == nil)
    }

    @Test func aSourceThatWaitsOrAnotherRankBeginsAtOnce() throws {
        let pace = Pace(interval: 100)
        pace.paused()
        #expect(pace.tick(1)?.first == 1)
        try pace.complete(1)
        #expect(pace.tick(2) == nil)
        try pace.took(2)
        #expect(pace.tick(3)?.first == 2)
        try pace.complete(2, workers: 2)
        pace.paused()
        #expect(pace.tick(4)?.first == 3, "the part that came early counts")
    }

    @Test func partsOfOthersCountBeforeTheOwnSourcesRun() throws {
        var pace = CheckpointPace(interval: 100, workers: 3)
        try pace.took(1)
        let begun = pace.tick(7)
        #expect(begun?.checkpoint == 1)
        try pace.took(1)
        try pace.took(1)
        pace.paused()
        let next = pace.tick(8)
        #expect(next?.checkpoint == 2)
    }

    @Test func theItemsBetweenAreAboutAnIntervalOfWork() throws {
        let pace = Pace(interval: 1000)
        var now: Int64 = 0
        // Each item takes 10.
        var items = first
        for checkpoint in 1...20 as ClosedRange<UInt32> {
            pace.paused()
            items = try #require(pace.tick(now)?.last)
            now += Int64(10 * items)
            #expect(pace.tick(now) == nil)
            try pace.complete(checkpoint)
        }
        #expect((50...100).contains(items))
        // Now it takes 100.
        for checkpoint in 21...40 as ClosedRange<UInt32> {
            pace.paused()
            items = try #require(pace.tick(now)?.last)
            now += Int64(100 * items)
            #expect(pace.tick(now) == nil)
            try pace.complete(checkpoint)
        }
        #expect((6...10).contains(items), "at least two for each worker")
    }

    @Test func whatASourceDoesNotUseDoesNotGrow() throws {
        let pace = Pace(interval: 100)
        for checkpoint in 1...20 as ClosedRange<UInt32> {
            #expect(pace.tick(100 * Int64(checkpoint)) == [Int(checkpoint), first])
            try pace.complete(checkpoint)
        }
    }

    @Test func whenASourceHasEndedOnlyWhatOthersBeganIsBegun() throws {
        let pace = Pace(interval: 100)
        pace.end()
        pace.paused()
        #expect(pace.tick(1000) == nil)
        try pace.took(1)
        #expect(pace.tick(1001)?.first == 1)
    }

    @Test func partsThatCannotBeAreRefused() throws {
        let pace = Pace(interval: 100, workers: 1)
        #expect(throws: StreamViolation.self) { try pace.took(0) }
        #expect(throws: StreamViolation.self) { try pace.took(2) }
        _ = pace.tick(100)
        try pace.took(1)
        #expect(throws: StreamViolation.self) { try pace.took(1) }
    }
}
