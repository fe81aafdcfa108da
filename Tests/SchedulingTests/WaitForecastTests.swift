// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

@Suite struct WaitCalibrationTests {
    /// The 96th of 100 scores from -1 to 1 is 0.91: (1 + 300) × e^0.91 - 300 = 447.8.
    @Test func theFirstBoundIsThePlanAndAMargin() {
        var calibration = WaitCalibration()
        #expect(calibration.bound(0, expected: 0, longest: 0, at: 0) == 448)
        #expect(calibration.latestStart(of: 0) == 448 && calibration.latestStart(of: 1) == nil)
        // √(900 × 2500) = 1500.
        #expect(calibration.bound(1, expected: 600, longest: 2200, at: 0) == 3427)
    }

    @Test func aBoundIsJudgedOnceItIsKnownWhetherItHeld() {
        var calibration = WaitCalibration()
        _ = calibration.bound(0, expected: 0, longest: 0, at: 0)
        _ = calibration.bound(1, expected: 9000, longest: 9000, at: 447)
        #expect(calibration.tail == 0.045)
        var held = calibration
        held.begin(0, at: 448)
        _ = held.bound(2, expected: 0, longest: 0, at: 448)
        #expect(held.tail == 0.045 + 0.001 * 0.045)
        // It is over, and the job still waits.
        _ = calibration.bound(2, expected: 0, longest: 0, at: 448)
        #expect(calibration.tail == 0.045 + 0.001 * (0.045 - 1))
        // That it starts later changes nothing.
        calibration.begin(0, at: 449)
        calibration.withdraw(1)
        calibration.begin(1, at: 449)
        _ = calibration.bound(3, expected: 0, longest: 0, at: 450)
        #expect(calibration.tail == 0.045 + 0.001 * (0.045 - 1))
    }

    @Test func plansThatCameTrueAreTheBounds() {
        var calibration = WaitCalibration()
        // Before, they were far off.
        for (id, factor) in ([Int](repeating: 7, count: 500) + [Int](repeating: 1, count: 2000)).enumerated() {
            let now = id * 100_000
            _ = calibration.bound(id, expected: 600, longest: 600, at: now)
            calibration.begin(id, at: now + 600 * factor)
        }
        #expect(calibration.bound(9999, expected: 3000, longest: 3000, at: .max / 2) == 3000)
    }

    @Test func itGoesOnAfterARestart() throws {
        var random = SeededGenerator(1)
        var calibration = WaitCalibration()
        var waiting: [Int] = []
        func go(_ calibration: inout WaitCalibration, _ ids: Range<Int>, _ random: inout SeededGenerator, _ waiting: inout [Int]) -> [Int] {
            ids.map { id in
                while waiting.count > 5 { calibration.begin(waiting.remove(at: random.below(waiting.count)), at: id * 50) }
                waiting.append(id)
                return calibration.bound(id, expected: random.below(500), longest: 500 + random.below(500), at: id * 50)
            }
        }
        _ = go(&calibration, 0..<2300, &random, &waiting)
        var other = try WireJSON.decode(WaitCalibration.self, from: WireJSON.encode(calibration))
        var (otherRandom, otherWaiting) = (random, waiting)
        let bounds = go(&calibration, 2300..<4600, &random, &waiting)
        #expect(go(&other, 2300..<4600, &otherRandom, &otherWaiting) == bounds)
        #expect(other.tail == calibration.tail && calibration.tail != 0.045)
    }
}

@Suite struct RunTimeHistoriesTests {
    static func job(user: Int = 1, ranks: Int = 2, limit: Int = 100) -> Job {
        Job(id: 0, submitted: 0, ranks: ranks, limit: limit, user: user)
    }

    @Test func theMostParticularListThatIsLongEnoughCounts() {
        var histories = RunTimeHistories()
        #expect(histories.runTime(of: Self.job()) == 100)
        for time in [50, 10, 20] { histories.learn(user: 1, limit: 100, ranks: 2, runTime: time) }
        for time in [80, 90] { histories.learn(user: 1, limit: 100, ranks: 4, runTime: time) }
        #expect(histories.runTime(of: Self.job()) == 20)
        // 10, 20, 50, 80, 90; 50 is the middle one.
        #expect(histories.runTime(of: Self.job(ranks: 4)) == 50)
        // Only 50 of its own is longer than 20, but three of the same limit are.
        #expect(histories.runTime(of: Self.job(), elapsed: 20) == 80)
        // What is left of all is too little: of everybody's parts 0.8 and 0.9, and the limit.
        #expect(histories.runTime(of: Self.job(), elapsed: 50) == 90 && histories.runTime(of: Self.job(), elapsed: 90) == 100)
        #expect(histories.runTime(of: Self.job(), elapsed: 100) == 101)
        // By all of the user, up to the limit; by everybody.
        #expect(histories.runTime(of: Self.job(limit: 30)) == 30)
        #expect(histories.runTime(of: Self.job(user: 2, limit: 1000)) == 500)
        #expect(histories.runTime(of: Self.job(), at: 0) == 10 && histories.runTime(of: Self.job(), at: 1) == 50)
    }

    @Test func theLastTwentyCount() {
        var histories = RunTimeHistories()
        for time in 1...60 { histories.learn(user: 1, limit: 100, ranks: 2, runTime: time) }
        #expect(histories.runTime(of: Self.job(), at: 0) == 41 && histories.runTime(of: Self.job()) == 51)
    }

    @Test func whoHasNotBeenSeenForLongIsForgotten() {
        var histories = RunTimeHistories()
        for _ in 0..<3 { histories.learn(user: 0, limit: 100, ranks: 1, runTime: 7) }
        for user in 1...40_000 { for _ in 0..<3 { histories.learn(user: user, limit: 100, ranks: 1, runTime: 50) } }
        #expect(histories.runTime(of: Self.job(user: 0, ranks: 1)) == 50)
        histories.learn(user: 40_000, limit: 100, ranks: 1, runTime: 50)
        #expect(histories.runTime(of: Self.job(user: 40_000, ranks: 1, limit: 60)) == 50)
    }
}

@Suite struct WaitForecasterTests {
    /// Four slots; a job of 4 ranks runs, others wait. Those of user 1 ran for 50 of 100 seconds.
    static func sample() -> (WaitForecaster, Scheduler) {
        var forecaster = WaitForecaster()
        for _ in 0..<3 { forecaster.learn(user: 1, limit: 100, ranks: 4, runTime: 50) }
        var scheduler = Scheduler(policy: .easy, machine: Machine(equalNodes(4)))
        for (id, ranks) in [4, 4, 5, 4].enumerated() {
            scheduler.submit(Job(id: id, submitted: 0, ranks: ranks, limit: 100, user: 1), at: 0)
        }
        _ = scheduler.pass(at: 0)
        return (forecaster, scheduler)
    }

    @Test func theQueueHasExpectedStarts() {
        var (forecaster, scheduler) = Self.sample()
        let forecasts = forecaster.forecast([1, 2, 3], scheduler, at: 0)
        // The job of five ranks never starts.
        #expect(forecasts.keys.sorted() == [1, 3])
        #expect(forecasts[1]?.p50 == 50 && forecasts[3]?.p50 == 100)
        // √(350 × 400) × e^0.91 - 300.
        #expect(forecasts[1]?.p95 == 630)
        scheduler.end(0, at: 20)
        let started = scheduler.pass(at: 20)
        forecaster.begin(started)
        let queue = forecaster.queue(scheduler, at: 20)
        #expect(queue.map(\.job.id) == [2, 3] && queue.map(\.position) == [1, 2])
        #expect(queue.map(\.expected) == [nil, 70] && queue.map(\.byLimits) == [nil, 120])
        #expect(queue.map(\.p95) == [nil, forecasts[3]?.p95])
    }

    @Test func anotherForecasterGoesOnWhereOneEnded() {
        var (first, scheduler) = Self.sample()
        _ = first.forecast([1, 2, 3], scheduler, at: 0)
        scheduler.end(0, at: 20)
        scheduler.withdraw(3)
        _ = scheduler.pass(at: 20)
        var second = WaitForecaster(calibration: first.calibration)
        for _ in 0..<3 { second.learn(user: 1, limit: 100, ranks: 4, runTime: 50) }
        second.goOn(waiting: [2], running: scheduler.runningJobs)
        #expect(second.calibration.latestStart(of: 1) == nil && second.calibration.latestStart(of: 3) == nil)
        // As if the first had been told.
        first.begin(scheduler.runningJobs)
        first.withdraw(3)
        #expect(second.forecast([4], submitting(4, to: scheduler), at: 30) == first.forecast([4], submitting(4, to: scheduler), at: 30))
    }

    private func submitting(_ job: Int, to scheduler: Scheduler) -> Scheduler {
        var scheduler = scheduler
        scheduler.submit(Job(id: job, submitted: 30, ranks: 4, limit: 100, user: 2), at: 30)
        return scheduler
    }

    @Test func aHypotheticalJobIsForecastAsIfItWereSubmitted() {
        var (forecaster, scheduler) = Self.sample()
        let job = Job(id: 4, submitted: 10, ranks: 2, limit: 100, user: 1)
        let forecast = forecaster.forecast(ifSubmitted: job, scheduler, at: 10)
        scheduler.submit(job, at: 10)
        _ = scheduler.pass(at: 10)
        #expect(forecast != nil && forecaster.forecast([4], scheduler, at: 10)[4] == forecast)
        #expect(forecaster.forecast(ifSubmitted: Job(id: 0, submitted: 0, ranks: 5, limit: 100), scheduler, at: 10) == nil)
        let empty = Scheduler(policy: .easy, machine: Machine(equalNodes(4)))
        #expect(forecaster.forecast(ifSubmitted: job, empty, at: 10) == WaitForecast(p50: 0, p95: 0))
    }

    @Test(arguments: NamedPolicy.allCases) func aSimulationForecastsWithoutBeingChanged(_ policy: NamedPolicy) {
        for seed in 100..<120 {
            let sample = ForwardRunTests.Sample(seed)
            let plain = sample.simulation(policy.policy).outcomes
            let outcomes = sample.simulation(policy.policy, forecaster: WaitForecaster()).outcomes
            #expect(outcomes.map(\.started) == plain.map(\.started))
            #expect(outcomes == sample.simulation(policy.policy, forecaster: WaitForecaster()).outcomes)
            for (entry, outcome) in zip(sample.workload.entries, outcomes) {
                #expect((outcome.forecast != nil) == (outcome.started > entry.submitted))
            }
            #expect(ScheduleMetrics(sample.workload, plain, slots: 8).forecasts == nil)
            let metrics = ScheduleMetrics(sample.workload, outcomes, slots: 8).forecasts
            #expect(metrics?.jobs ?? 0 == outcomes.count { $0.forecast != nil })
        }
    }

    @Test func forecastsAreMeasured() {
        let workload = Workload((0..<4).map { ScheduleMetricsTests.entry($0, 0, 10) })
        let forecasts: [WaitForecast?] = [nil, .init(p50: 10, p95: 40), .init(p50: 20, p95: 30), .init(p50: 60, p95: 80)]
        let outcomes = zip([0, 20, 40, 40], forecasts).map { started, forecast in
            var outcome = ScheduleMetricsTests.outcome(started, 10)
            outcome.forecast = forecast
            return outcome
        }
        let metrics = ScheduleMetrics(workload, outcomes, slots: 4).forecasts
        #expect(metrics?.jobs == 3 && metrics?.coverage == 2.0 / 3 && metrics?.medianBound == 2)
        #expect(metrics?.totalBound == 1.5 && metrics?.medianError == 0.5)
    }
}
