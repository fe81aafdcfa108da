// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Runs a workload through the scheduler, from event to event.
package struct Simulation: Sendable {
    /// What the scheduler is told of a job's run time.
    package enum Foresight: Sendable {
        /// What its user said.
        case limit
        /// The truth.
        case actual
        case learned(any RunTimePredictor)
    }

    /// What came of a job.
    package struct Outcome: Sendable, Hashable {
        /// -1: never.
        package var started: Int
        /// The latest start that was promised.
        package var promised: Int?
        package var prediction: RunTimePrediction
        /// What was forecast of its wait, if it had to wait and forecasts were made.
        package var forecast: WaitForecast?
    }

    /// By the workload's order.
    package private(set) var outcomes: [Outcome]
    package private(set) var passes = 0
    package private(set) var longestQueue = 0

    /// - Parameters:
    ///   - forecaster: forecasts the wait of each job that does not start at once; otherwise nothing is forecast.
    ///   - observe: called after each pass with its instant and the scheduler.
    package init(
        _ workload: Workload, scheduler: Scheduler, foresight: Foresight, forecaster: WaitForecaster? = nil,
        observe: (Int, borrowing Scheduler) -> Void = { _, _ in }
    ) {
        let entries = workload.entries
        var course = Course(scheduler, at: entries.first?.submitted ?? 0) { _ in 0 }
        var predictor: (any RunTimePredictor)? = if case .learned(let predictor) = foresight { predictor } else { nil }
        var forecaster = forecaster
        outcomes = entries.map { Outcome(started: -1, prediction: RunTimePrediction($0.traits.limit, limit: $0.traits.limit)) }
        var submitted = 0
        var demands: [Int: DemandID] = [:]
        let requested = workload.requests.map { course.scheduler.demand(of: $0) }
        while let now = [submitted < entries.count ? entries[submitted].submitted : nil, course.next].compactMap(\.self).min() {
            course.move(to: now) { id in
                let entry = entries[id]
                predictor?.learn(entry.traits, runTime: entry.runTime, predicted: outcomes[id].prediction)
                forecaster?.learn(user: entry.traits.user, limit: entry.traits.limit, ranks: entry.traits.ranks, runTime: entry.runTime)
            }
            let first = submitted
            while submitted < entries.count, entries[submitted].submitted == now {
                let (id, entry) = (submitted, entries[submitted])
                submitted += 1
                switch foresight {
                case .limit: break
                case .actual: outcomes[id].prediction = RunTimePrediction(expected: entry.runTime, p90: entry.runTime, p95: entry.runTime)
                case .learned: outcomes[id].prediction = predictor?.predict(entry.traits) ?? outcomes[id].prediction
                }
                let demand =
                    entry.request.map { requested[$0] } ?? demands[entry.memoryPerRank]
                    ?? course.scheduler.demand(
                        of: ResourceRequest(ranks: 1, memoryPerRank: entry.memoryPerRank))
                if entry.request == nil { demands[entry.memoryPerRank] = demand }
                let prediction = outcomes[id].prediction
                let limit = entry.isLimitAssumed ? PlannedLimit.seconds(prediction, assumed: entry.traits.limit) : entry.traits.limit
                course.scheduler.submit(
                    Job(
                        id: id, submitted: now, ranks: entry.traits.ranks, demand: demand, limit: limit,
                        expected: min(limit, prediction.expected),
                        weight: entry.request.map { workload.requests[$0].needs.weight } ?? 1, user: entry.traits.user), at: now)
                outcomes[id].promised = course.scheduler.promisedStart(of: id)
            }
            let started = course.pass { entries[$0.job.id].runTime }
            for job in started { outcomes[job.job.id].started = now }
            for promise in course.scheduler.newPromises { outcomes[promise.job].promised = promise.start }
            forecaster?.begin(started)
            for (id, forecast) in forecaster?.forecast((first..<submitted).filter { outcomes[$0].started < 0 }, course.scheduler, at: now)
                ?? [:]
            {
                outcomes[id].forecast = forecast
            }
            passes += 1
            longestQueue = max(longestQueue, course.scheduler.waitingCount)
            observe(now, course.scheduler)
        }
    }
}
