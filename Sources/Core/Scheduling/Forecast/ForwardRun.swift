// SPDX-License-Identifier: Apache-2.0

/// What a scheduler starts when, if nothing more is submitted and each job runs for a given time.
package struct ForwardRun: Sendable {
    /// When jobs start, by job.
    package private(set) var starts: [Int: Int] = [:]
    /// The last instant looked at.
    package private(set) var reached: Int
    /// All that were to start have, or nothing happens any more.
    package private(set) var isFinished = false

    /// Runs a copy of the scheduler forward until all of some jobs have started.
    ///
    /// - Parameters:
    ///   - scheduler: as the pass at `now` left it.
    ///   - runTime: of a job that runs, or that starts in the run, from its start on.
    package init(
        _ scheduler: Scheduler, from now: Int, until jobs: Set<Int>, mostInstants: Int = 8000,
        runTime: (RunningJob) -> Int
    ) {
        var course = Course(scheduler, at: now, runTime: runTime)
        var left = jobs.count
        var instants = 0
        while left > 0, instants < mostInstants {
            guard let next = course.next else { break }
            course.move(to: next)
            instants += 1
            for job in course.pass(runTime: runTime) {
                starts[job.job.id] = job.started
                if jobs.contains(job.job.id) { left -= 1 }
            }
        }
        reached = course.now
        isFinished = left == 0 || course.next == nil
    }
}
