// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Scheduling

@Suite struct WaitingQueueTests {
    static func job(_ id: Int, ranks: Int = 1, submitted: Int = 0, limit: Int = 10) -> Job {
        Job(id: id, submitted: submitted, ranks: ranks, limit: limit)
    }

    @Test func narrowJobsAreFoundBehindWideOnes() {
        var queue = WaitingQueue()
        #expect(queue.leastRanks > 1_000_000 && queue.next(from: 0) == nil && queue.next(from: 0, ranks: 5) == nil)
        for id in 0..<200 { queue.append(Self.job(id, ranks: id == 130 ? 2 : 9)) }
        #expect(queue.leastRanks == 2 && queue.count == 200)
        #expect(queue.next(from: 0, ranks: 8) == 130 && queue.next(from: 131, ranks: 8) == nil && queue.next(from: 131) == 131)
        #expect(queue.place(of: 130) == 130)
        queue.remove(at: 130)
        #expect(
            queue.leastRanks == 9 && queue.next(from: 0, ranks: 8) == nil && queue.next(from: 130) == 131 && queue.place(of: 130) == nil)
    }

    @Test func aJobThatNeedsMoreRanksThanThereCanBeIsStillFound() {
        var queue = WaitingQueue()
        queue.append(Self.job(0, ranks: 1 << 30))
        #expect(queue.next(from: 0) == 0 && queue.next(from: 0, ranks: 1000) == nil)
    }

    @Test func itIsTheListThatItWouldBe() {
        var random = SeededGenerator(5)
        var (queue, same, next) = (WaitingQueue(), [Job](), 0)
        for step in 0..<3000 {
            if random.chance(step < 1500 ? 3 : 1, in: 4) || same.isEmpty {
                let job = Self.job(next, ranks: 1 + random.below(20))
                next += 1
                queue.append(job)
                same.append(job)
            } else {
                let job = same.remove(at: random.below(same.count))
                guard let place = queue.place(of: job.id) else { return #expect(Bool(false), "\(job.id) is lost") }
                queue.remove(at: place)
            }
            if random.chance(1, in: 20) { queue.compact() }
            guard step % 5 == 0 else { continue }
            let (most, from) = (random.below(12), same.isEmpty ? 0 : random.below(same.count))
            let start = same.isEmpty ? 0 : queue.place(of: same[from].id) ?? 0
            let found = queue.next(from: start, ranks: most).map { queue[$0].id }
            let expected = same.dropFirst(from).first { $0.ranks <= most }?.id
            guard found == expected, queue.count == same.count, queue.leastRanks >= 1 << 30 || queue.leastRanks == same.map(\.ranks).min()
            else {
                return #expect(Bool(false), "step \(step)")
            }
        }
        #expect(queue.live == same)
    }

    @Test func onlyAnOrderThatChangesIsSorted() {
        var queue = WaitingQueue()
        for id in [2, 0, 1] {
            var job = Self.job(id, ranks: 1 + id)
            job.account = id == 2 ? 1 : 0
            queue.append(job)
        }
        let accounts = Accounts([.init(share: 1, usage: 1), .init(share: 1, usage: 2)], halfLife: 1000, at: 100)
        queue.sort(by: .easy, at: 100)
        #expect(queue.live.map(\.id) == [2, 0, 1])
        queue.sort(by: .wfp3, at: 100)
        #expect(queue.live.map(\.id) == [2, 1, 0])
        queue.sort(by: .wfp3, accounts, at: 100)
        #expect(queue.live.map(\.id) == [1, 0, 2])
        #expect(queue.leastRanks == 1 && queue.next(from: 0, ranks: 2) == 0 && queue.next(from: 1, ranks: 2) == 1)
    }

    @Test func whereNobodyHasWaitedTheOrderOfSubmissionCounts() {
        var queue = WaitingQueue()
        for id in [2, 0, 1] { queue.append(Self.job(id, ranks: 1 + id)) }
        queue.sort(by: .wfp3, at: 0)
        #expect(queue.live.map(\.id) == [0, 1, 2])
    }

    @Test func anOrderIsNotMadeAnewWithinItsInterval() {
        var policy = SchedulingPolicy.wfp3
        policy.jobsPerSecondOfOrder = 1
        var queue = WaitingQueue()
        queue.append(Self.job(0, limit: 100))
        queue.append(Self.job(1, limit: 10))
        queue.sort(by: policy, at: 10)
        #expect(queue.live.map(\.id) == [1, 0])
        queue.append(Self.job(2, submitted: 5, limit: 1))
        // Three jobs, three seconds.
        queue.sort(by: policy, at: 12)
        #expect(queue.live.map(\.id) == [1, 0, 2])
        queue.sort(by: policy, at: 13)
        #expect(queue.live.map(\.id) == [2, 1, 0])
    }

    @Test func theScoreIsThatOfThePolicy() {
        var job = Job(id: 0, submitted: 10, ranks: 4, limit: 100, expected: 20)
        job.weight = 1.5
        #expect(SchedulingPolicy.easy.score(job, factor: 1, at: 1000) == 0)
        #expect(SchedulingPolicy.wfp3.score(job, factor: 0.5, at: 50) == 8 * 4 * 1.5 * 0.5)
        #expect(SchedulingPolicy.wfp3.score(job, factor: 1, at: 10) == 0)
        #expect(SchedulingPolicy.wfp3.score(job, factor: 1, at: 259_209).isFinite)
        #expect(SchedulingPolicy.wfp3.score(job, factor: 1, at: 259_210) == .infinity)
    }
}
