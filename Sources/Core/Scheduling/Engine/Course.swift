// SPDX-License-Identifier: Apache-2.0

/// A scheduler that is taken from instant to instant, once it is said how long each job runs: what a simulation, a forecast and a
/// what-if have in common.
///
/// At each instant: ``move(to:ended:)``, then what is submitted or changes, then ``pass(runTime:)``.
struct Course: Sendable {
    private enum Kind: Int {
        case outlived, overdue, end
    }

    private struct Event: Sendable, Comparable {
        var time: Int
        var kind: Kind
        var job: Int

        static func < (left: Event, right: Event) -> Bool {
            (left.time, left.kind.rawValue, left.job) < (right.time, right.kind.rawValue, right.job)
        }
    }

    var scheduler: Scheduler
    private(set) var now: Int
    private var events = Heap<Event>()
    private var wake: Int?

    /// From how things stand after the pass at `now`.
    /// - Parameter runTime: of a job that runs, from its start on.
    init(_ scheduler: Scheduler, at now: Int, runTime: (RunningJob) -> Int) {
        self.scheduler = scheduler
        self.now = now
        for job in scheduler.runningJobs { expect(job, runTime: runTime(job)) }
        wake = scheduler.nextWake(after: now)
    }

    /// The next instant at which something may happen by itself.
    var next: Int? {
        guard let event = events.least?.time else { return wake }
        return wake.map { min($0, event) } ?? event
    }

    /// Goes to an instant that is not behind ``next``: tells the scheduler which predictions are outlived, which jobs go on beyond
    /// their limits, and which end.
    mutating func move(to instant: Int, ended: (Int) -> Void = { _ in }) {
        now = instant
        while let event = events.least, event.time == instant {
            events.removeLeast()
            switch event.kind {
            case .outlived:
                if let job = scheduler.runningJob(event.job)?.job { scheduler.outlives(job.id, expected: job.limit) }
            case .overdue:
                guard scheduler.runningJob(event.job) != nil else { continue }
                scheduler.overrun([event.job], by: PlannedLimit.overrun, at: instant)
                events.insert(Event(time: instant + PlannedLimit.overrun, kind: .overdue, job: event.job))
            case .end:
                scheduler.end(event.job, at: instant)
                ended(event.job)
            }
        }
    }

    /// - Parameter runTime: of each job that starts.
    mutating func pass(runTime: (RunningJob) -> Int) -> [RunningJob] {
        let started = scheduler.pass(at: now)
        for job in started { expect(job, runTime: runTime(job)) }
        wake = scheduler.nextWake(after: now)
        return started
    }

    private mutating func expect(_ job: RunningJob, runTime: Int) {
        let end = max(now + 1, job.started.later(by: runTime))
        events.insert(Event(time: end, kind: .end, job: job.job.id))
        let overdue = max(now + 1, job.latestEnd)
        if overdue < end { events.insert(Event(time: overdue, kind: .overdue, job: job.job.id)) }
        if job.expectedEnd < end { events.insert(Event(time: max(now + 1, job.expectedEnd), kind: .outlived, job: job.job.id)) }
    }
}
