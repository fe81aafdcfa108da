// SPDX-License-Identifier: Apache-2.0

/// How long a job is going to wait, in seconds from its submission on.
package struct WaitForecast: Sendable, Codable, Hashable {
    /// If all jobs run for as long as similar ones did.
    package var p50: Int
    /// That nineteen in twenty do not exceed.
    package var p95: Int

    package init(p50: Int, p95: Int) {
        self.p50 = p50
        self.p95 = p95
    }
}

/// When a waiting job is expected to start.
package struct ExpectedStart: Sendable, Hashable {
    package var job: Job
    /// In the queue's order, from 1 on.
    package var position: Int
    /// If all jobs run for as long as similar ones did; `nil`: not within what was looked at, or never.
    package var expected: Int?
    /// If all run up to their limits. Not a bound: what is submitted later may come first.
    package var byLimits: Int?
    /// The bound that was made when it was submitted; it may be over.
    package var p95: Int?
}

/// Forecasts waits by running the scheduler itself forward: once with the run times that similar jobs had, once with limits. The first is
/// the forecast; a bound is made of both by how earlier ones turned out (``WaitCalibration``).
///
/// One for each cluster and policy. In the order of events: ``learn(user:limit:ranks:runTime:)`` for each job that ends; after the pass,
/// ``begin(_:)`` and ``forecast(_:_:at:)`` for what was submitted and waits.
package struct WaitForecaster: Sendable, Codable {
    package private(set) var histories = RunTimeHistories()
    package private(set) var calibration = WaitCalibration()

    /// - Parameter calibration: of an earlier one. Jobs have the numbers that they had then; see ``goOn(waiting:running:)``.
    package init(calibration: WaitCalibration = WaitCalibration()) { self.calibration = calibration }

    // MARK: What happens

    /// What became of the forecasts of an earlier forecaster: jobs wait still, have started, or are gone.
    package mutating func goOn(waiting: Set<Int>, running: [RunningJob]) {
        begin(running)
        calibration.keep(waiting)
    }

    package mutating func learn(user: Int, limit: Int, ranks: Int, runTime: Int) {
        histories.learn(user: user, limit: limit, ranks: ranks, runTime: runTime)
    }

    /// The jobs that one pass has started.
    package mutating func begin(_ started: [RunningJob]) {
        for job in started.sorted(by: { $0.job.id < $1.job.id }) { calibration.begin(job.job.id, at: job.started) }
    }

    package mutating func withdraw(_ job: Int) { calibration.withdraw(job) }

    // MARK: Forecasts

    /// Forecasts the waits of jobs that were submitted at `now` and that the pass has not started. All in the same two runs.
    /// - Returns: by job; without those that will not start however long they wait.
    package mutating func forecast(_ jobs: [Int], _ scheduler: Scheduler, at now: Int) -> [Int: WaitForecast] {
        guard !jobs.isEmpty else { return [:] }
        let (expected, longest) = plans(Set(jobs), scheduler, at: now)
        var forecasts: [Int: WaitForecast] = [:]
        for job in jobs.sorted() {
            // What does not start within what was looked at, waits at least until then.
            guard let first = expected.starts[job] ?? (expected.isFinished ? nil : expected.reached) else { continue }
            let last = longest.starts[job] ?? max(first, longest.reached)
            forecasts[job] = WaitForecast(
                p50: max(1, first - now), p95: calibration.bound(job, expected: first - now, longest: last - now, at: now))
        }
        return forecasts
    }

    /// The wait of a job that is not submitted, if it were now. Its number and the time of its submission do not matter.
    /// - Returns: `nil`: it would not start however long it waited.
    package func forecast(ifSubmitted job: Job, _ scheduler: Scheduler, at now: Int) -> WaitForecast? {
        var (forecaster, scheduler, job) = (self, scheduler, job)
        job.id = .max
        job.submitted = now
        scheduler.submit(job, at: now)
        if scheduler.pass(at: now).contains(where: { $0.job.id == job.id }) { return WaitForecast(p50: 0, p95: 0) }
        return forecaster.forecast([job.id], scheduler, at: now)[job.id]
    }

    /// The whole queue.
    package func queue(_ scheduler: Scheduler, at now: Int) -> [ExpectedStart] {
        let jobs = scheduler.waiting(at: now)
        let (expected, longest) = plans(Set(jobs.map(\.id)), scheduler, at: now)
        return jobs.enumerated().map { index, job in
            ExpectedStart(
                job: job, position: index + 1, expected: expected.starts[job.id], byLimits: longest.starts[job.id],
                p95: calibration.latestStart(of: job.id))
        }
    }

    private func plans(_ jobs: Set<Int>, _ scheduler: Scheduler, at now: Int) -> (ForwardRun, ForwardRun) {
        let expected = ForwardRun(scheduler, from: now, until: jobs) { job in
            histories.runTime(of: job.job, elapsed: max(0, now - job.started))
        }
        let longest = ForwardRun(scheduler, from: now, until: jobs) { $0.job.limit }
        return (expected, longest)
    }
}
