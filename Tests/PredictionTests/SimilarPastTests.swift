// SPDX-License-Identifier: Apache-2.0

import Prediction
import Testing
import WorkflowModel

/// The expected numbers come from a second implementation of the same rules.
@Suite struct SimilarPastTests {
    typealias Past = [(job: JobTraits, runTime: Int)]

    static func job(user: Int = 1, application: Int = -1, ranks: Int = 1, limit: Int = 1000) -> JobTraits {
        JobTraits(user: user, application: application, ranks: ranks, limit: limit)
    }

    static func past(_ count: Int, _ job: JobTraits, _ runTime: Int) -> Past { (0..<count).map { _ in (job, runTime) } }

    static func limits(_ job: JobTraits) -> RunTimePrediction { RunTimePrediction(job.limit, limit: job.limit) }

    static func predict(_ job: JobTraits, after past: Past) -> [Int] {
        var predictor = SimilarPast()
        for (job, runTime) in past { predictor.learn(job, runTime: runTime, predicted: limits(job)) }
        let prediction = predictor.predict(job)
        return [prediction.expected, prediction.p90, prediction.p95]
    }

    @Test func nothingIsKnownAtFirst() {
        #expect(Self.predict(Self.job(limit: 70), after: []) == [70, 70, 70])
    }

    @Test(arguments: [
        (1, [100, 1000, 1000]), (2, [100, 1000, 1000]), (3, [100, 126, 1000]), (5, [100, 126, 1000]), (6, [100, 126, 126]),
    ])
    func theIntervalNarrowsWithExperience(_ count: Int, _ expected: [Int]) {
        #expect(Self.predict(Self.job(), after: Self.past(count, Self.job(), 100)) == expected)
    }

    @Test func theMedianIsExpected() {
        #expect(Self.predict(Self.job(), after: [100, 200, 300].map { (Self.job(), $0) }) == [200, 376, 1000])
    }

    @Test func nothingExceedsTheLimit() {
        #expect(Self.predict(Self.job(limit: 50), after: Self.past(12, Self.job(), 100)) == [50, 50, 50])
    }

    @Test func aJobRunsForASecondAtLeast() {
        #expect(Self.predict(Self.job(), after: Self.past(3, Self.job(), 0)) == [1, 1, 1000])
    }

    @Test func theJobsWithTheSameLimitCountMost() {
        let past: Past = [(Self.job(limit: 1000), 400), (Self.job(limit: 500), 100), (Self.job(limit: 500), 100)]
        #expect(Self.predict(Self.job(limit: 1000), after: past)[0] == 400)
        #expect(Self.predict(Self.job(limit: 500), after: past)[0] == 100)
    }

    @Test func theJobsWithAsManyRanksCountMost() {
        let past: Past = [(Self.job(ranks: 8), 400), (Self.job(ranks: 1), 100)]
        #expect(Self.predict(Self.job(ranks: 8), after: past)[0] == 400)
        #expect(Self.predict(Self.job(ranks: 1), after: past)[0] == 100)
    }

    @Test func theJobsOfTheSameApplicationCountMostWhereItIsKnown() {
        func past(_ application: Int) -> Past { [(Self.job(application: application), 400)] + Self.past(4, Self.job(application: 6), 100) }
        #expect(Self.predict(Self.job(application: 5), after: past(5)) == [400, 501, 501])
        #expect(Self.predict(Self.job(application: 6), after: past(5)) == [100, 126, 126])
        #expect(Self.predict(Self.job(application: -1), after: past(-1)) == [100, 501, 1000])
    }

    @Test func othersCountWhileTheUserHasNoJobs() {
        #expect(Self.predict(Self.job(), after: Self.past(32, Self.job(user: 2), 70)) == [70, 1000, 1000])
        #expect(Self.predict(Self.job(), after: Self.past(31, Self.job(user: 2), 70) + [(Self.job(), 500)]) == [500, 1000, 1000])
    }

    @Test func onlyTheLastJobsOfAUserAreKept() {
        let past = Self.past(40, Self.job(), 900) + Self.past(32, Self.job(), 100)
        #expect(Self.predict(Self.job(), after: past) == Self.predict(Self.job(), after: Self.past(72, Self.job(), 100)))
    }

    @Test(arguments: [
        (0, [100, 126, 126]), (23, [100, 126, 126]), (24, [100, 126, 1000]), (42, [100, 126, 1000]), (43, [100, 1000, 1000]),
    ])
    func boundsThatDoNotHoldAreTakenFurtherOut(_ exceeded: Int, _ expected: [Int]) {
        var predictor = SimilarPast()
        func learn(_ count: Int, _ predicted: Int) {
            for _ in 0..<count {
                predictor.learn(Self.job(), runTime: 100, predicted: RunTimePrediction(expected: predicted, p90: predicted, p95: predicted))
            }
        }
        learn(40, 100)
        learn(exceeded, 50)
        let prediction = predictor.predict(Self.job())
        #expect([prediction.expected, prediction.p90, prediction.p95] == expected)
    }

    @Test func aWholeHistoryGivesTheSameNumbers() {
        var random = SplitMix(state: 7)
        var predictor = SimilarPast()
        var (sums, misses, seen) = ([0, 0, 0], [0, 0], [Int: [Int]]())
        for index in 0..<600 {
            let (user, application, ranks) = (random.below(4), random.below(4) - 1, 1 << random.below(4))
            let job = Self.job(user: user, application: application, ranks: ranks, limit: [60, 300, 3600][random.below(3)])
            let prediction = predictor.predict(job)
            let values = [prediction.expected, prediction.p90, prediction.p95]
            let runTime = 1 + random.below(min(job.limit, (user + 1) * 40 * (1 + random.below(3))))
            #expect(1 <= values[0] && values[0] <= values[1] && values[1] <= values[2] && values[2] <= job.limit)
            predictor.learn(job, runTime: runTime, predicted: prediction)
            for place in 0..<3 { sums[place] += values[place] }
            if runTime > values[1] { misses[0] += 1 }
            if runTime > values[2] { misses[1] += 1 }
            if [1, 10, 50, 100, 300, 599].contains(index) { seen[index] = values }
        }
        #expect(sums == [39862, 253_642, 484_161] && misses == [44, 15])
        #expect(
            seen == [
                1: [46, 3600, 3600], 10: [12, 60, 60], 50: [106, 133, 294], 100: [30, 58, 60], 300: [187, 300, 300], 599: [132, 300, 300],
            ])
    }

    private struct SplitMix {
        var state: UInt64

        mutating func below(_ limit: Int) -> Int {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return Int((value ^ (value >> 31)) % UInt64(limit))
        }
    }
}
