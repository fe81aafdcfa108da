// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Scheduling

@Suite struct ProfileTests {
    static func room(_ slots: Int, _ memory: Int = 0) -> Machine.Room { Machine.Room(slots: slots, memory: memory) }

    static func pool(_ slots: Int) -> Profile { Profile([room(slots)], from: 0) }

    @Test func aHoleIsFoundWhereItIsLongEnough() {
        var profile = Self.pool(10)
        profile.change([(0, 6, 0)], from: 0, to: 100, by: -1)
        profile.change([(0, 8, 0)], from: 100, to: 200, by: -1)
        #expect(profile.earliest(from: 2, for: 98, slots: 4) == 2)
        #expect(profile.earliest(from: 2, for: 99, slots: 4) == 200)
        #expect(profile.earliest(from: 2, for: 1000, slots: 2) == 2)
        #expect(profile.earliest(from: 150, for: 1, slots: 2) == 150)
        #expect(profile.earliest(from: 150, for: 1, slots: 3) == 200)
        #expect(profile.earliest(from: 0, for: 1, slots: 11) == nil)
    }

    @Test func whatIsGivenBackLeavesNoTrace() {
        var profile = Self.pool(4)
        profile.change([(0, 3, 0)], from: 10, to: 20, by: -1)
        profile.change([(0, 3, 0)], from: 10, to: 20, by: 1)
        // No step is left at which anything would be tried.
        var tried: [Int] = []
        _ = profile.earliest(from: 0, for: 5) { time, _ -> Int? in
            tried.append(time)
            return nil
        }
        #expect(tried == [0])
    }

    @Test func anEmptyIntervalChangesNothing() {
        var profile = Self.pool(4)
        profile.change([(0, 4, 0)], from: 10, to: 10, by: -1)
        profile.change([(0, 4, 0)], from: 10, to: 5, by: -1)
        #expect(profile.earliest(from: 0, for: 100, slots: 4) == 0)
    }

    @Test func anIntervalMayHaveNoEnd() {
        var profile = Self.pool(4)
        profile.change([(0, 4, 0)], from: 10, to: .max, by: -1)
        #expect(profile.earliest(from: 0, for: 10, slots: 1) == 0)
        #expect(profile.earliest(from: 1, for: 10, slots: 1) == nil)
    }

    @Test func thePastIsForgotten() {
        var profile = Self.pool(4)
        profile.change([(0, 4, 0)], from: 0, to: 10, by: -1)
        profile.change([(0, 2, 0)], from: 10, to: 20, by: -1)
        profile.forget(before: 15)
        profile.change([(0, 2, 0)], from: 0, to: 18, by: 1)
        #expect(profile.earliest(from: 15, for: 3, slots: 4) == 15)
        #expect(profile.earliest(from: 15, for: 4, slots: 4) == 20)
    }

    @Test func cellsAreCountedApartAndByTheirLeast() {
        var profile = Profile([Self.room(2, 100), Self.room(1, 50)], from: 0)
        profile.change([(0, 2, 80)], from: 5, to: 10, by: -1)
        profile.change([(1, 1, 10)], from: 10, to: 12, by: -1)
        func least(_ duration: Int) -> [Machine.Room] {
            var seen: [Machine.Room] = []
            _ = profile.earliest(from: 0, for: duration) { _, rooms -> Int? in
                seen = rooms
                return 0
            }
            return seen
        }
        #expect(least(5) == [Self.room(2, 100), Self.room(1, 50)])
        #expect(least(6) == [Self.room(0, 20), Self.room(1, 50)])
        #expect(least(11) == [Self.room(0, 20), Self.room(0, 40)])
        let found = profile.earliest(from: 0, for: 6) { _, rooms in rooms.reduce(0) { $0 + $1.slots } >= 2 ? rooms : nil }
        #expect(found?.time == 10 && found?.place == [Self.room(2, 100), Self.room(0, 40)])
    }

    @Test func itIsTheArrayOfSecondsThatItWouldBe() {
        var random = SeededGenerator(4)
        for _ in 0..<60 {
            var (profile, seconds, now) = (Self.pool(8), [Int](repeating: 8, count: 200), 0)
            var taken: [(Int, Int, Int)] = []
            for _ in 0..<30 {
                if random.chance(1, in: 4), !taken.isEmpty {
                    let (slots, start, end) = taken.remove(at: random.below(taken.count))
                    profile.change([(0, slots, 0)], from: start, to: end, by: 1)
                    for second in start..<end { seconds[second] += slots }
                } else {
                    let (slots, start) = (1 + random.below(3), now + random.below(40))
                    let end = start + 1 + random.below(40)
                    profile.change([(0, slots, 0)], from: start, to: end, by: -1)
                    for second in start..<end { seconds[second] -= slots }
                    taken.append((slots, start, end))
                }
                if random.chance(1, in: 5) {
                    now += random.below(3)
                    profile.forget(before: now)
                }
                let (duration, slots) = (1 + random.below(30), 1 + random.below(8))
                let expected = (now..<170).first { start in (start..<start + duration).allSatisfy { $0 >= 200 || seconds[$0] >= slots } }
                let general = profile.earliest(from: now, for: duration) { _, rooms in rooms[0].slots >= slots ? true : nil }
                guard profile.earliest(from: now, for: duration, slots: slots) == expected, general?.time == expected else {
                    return #expect(Bool(false), "\(general?.time ?? -1) \(expected ?? -1)")
                }
            }
        }
    }
}
