// SPDX-License-Identifier: Apache-2.0

/// What is known of a job when it is submitted, as far as it tells how long it will run.
package struct JobTraits: Sendable, Hashable {
    /// Whoever submitted it, as a number.
    package var user: Int
    /// What it runs, as a number; -1 where that is not known.
    package var application: Int
    package var ranks: Int
    /// Seconds that it may run.
    package var limit: Int

    package init(user: Int, application: Int = -1, ranks: Int, limit: Int) {
        self.user = user
        self.application = application
        self.ranks = ranks
        self.limit = limit
    }
}

/// How long a job will run, in seconds, each from 1 to the job's limit.
package struct RunTimePrediction: Sendable, Hashable {
    /// By which the scheduler plans.
    package var expected: Int
    /// That nine, and nineteen, in ten or twenty such jobs do not exceed.
    package var p90: Int
    package var p95: Int

    package init(expected: Int, p90: Int, p95: Int) {
        self.expected = expected
        self.p90 = p90
        self.p95 = p95
    }

    /// Without an interval of its own: only the limit is sure.
    package init(_ expected: Int, limit: Int) { self.init(expected: expected, p90: limit, p95: limit) }
}

/// Learns from the jobs that end how long those that are submitted will run.
package protocol RunTimePredictor: Sendable {
    mutating func predict(_ job: JobTraits) -> RunTimePrediction
    /// The job has ended after `runTime` seconds. `predicted` is what was said when it was submitted.
    mutating func learn(_ job: JobTraits, runTime: Int, predicted: RunTimePrediction)
}

/// What the scheduler goes by, where it needs to know how long a job will run.
package enum RunTimeSource: String, Sendable, Codable, CaseIterable {
    /// The limit that its user gave.
    case user
    /// The truth, which only a simulation knows.
    case oracle
    /// The mean of the user's last two run times.
    case tsafrir
    /// Quantiles of similar jobs' run times.
    case similar
}
