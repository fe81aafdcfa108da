// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// A job that ended, as an example of those to come.
package struct PastJob: Sendable, Hashable {
    package var job: Job
    package var runTime: Int

    package init(_ job: Job, runTime: Int) {
        self.job = job
        self.runTime = runTime
    }
}

/// What could be otherwise on a cluster.
package enum ClusterChange: Sendable, Hashable {
    /// So many more nodes like one, from a time on.
    case add(Int, like: ClusterNode, from: Int)
    /// Nothing runs on the nodes from a time on: what would not be over by then, by its limit, does not start there.
    case drain([Int], by: Int)
    case policy(SchedulingPolicy)
}

/// What waits and the use of the machine would be if a cluster, as it stands, were changed: the scheduler is run forward through sampled
/// futures, the same ones for each change, so that a difference is that of the change and not of chance.
///
/// A future's submissions are stretches of the past, moved by whole weeks, so that each falls on its hour of the week. What runs and waits
/// has run times that similar jobs had; those of one user are short or long together.
package struct WhatIf: Sendable {
    package struct Figures: Sendable, Codable, Hashable {
        /// Those that wait now, and those that are submitted within the horizon.
        package var jobs: Int
        package var unstarted: Int
        /// Of those that started. Seconds from their submission.
        package var meanWait: Double
        /// Of all; `Int.max`: one that never starts.
        package var p50Wait: Int
        package var p95Wait: Int
        /// Part of the slots that are used within the horizon.
        package var utilisation: Double
    }

    package struct Answer: Sendable, Codable, Hashable {
        /// Of the jobs of all futures together.
        package var all: Figures
        package var futures: [Figures]
    }

    /// Seconds of the past that stay together: enough to keep what comes in a burst, while a few weeks still make many futures.
    package static let stretch = 21_600
    /// How long an order stands at least: over all of a future, sorting in each pass would take most of the time and change little.
    private static let orderInterval = 300
    private static let mostInstants = 1_000_000
    /// Instants after which it is asked whether the answer is still wanted.
    private static let askInterval = 256

    private let scheduler: Scheduler
    private let now: Int
    private let past: [PastJob]
    private let histories: RunTimeHistories
    private let horizon: Int
    private let futures: Int
    private let seed: UInt64
    private let isOver: @Sendable () -> Bool

    /// - Parameters:
    ///   - scheduler: as the pass at `now` left it.
    ///   - past: jobs that were submitted before, in that order; those of some weeks. Their demands are the scheduler's.
    ///   - histories: for the run times of what runs and waits.
    ///   - horizon: seconds for which jobs are submitted.
    ///   - isOver: asked now and then; once it is true, answers come at once, and are of no use.
    package init(
        _ scheduler: Scheduler, at now: Int, past: [PastJob], histories: RunTimeHistories, horizon: Int = 86_400, futures: Int = 32,
        seed: UInt64 = 0, isOver: @escaping @Sendable () -> Bool = { false }
    ) {
        self.scheduler = scheduler
        self.now = now
        self.past = past
        self.histories = histories
        self.horizon = max(1, horizon)
        self.futures = max(1, futures)
        self.seed = seed
        self.isOver = isOver
    }

    /// - Parameter changes: none: how it goes as things are.
    package func answer(_ changes: [ClusterChange] = []) -> Answer {
        var all: [Play] = []
        for index in 0..<futures where !isOver() { all.append(play(index, changes)) }
        return Answer(all: Play.figures(all), futures: all.map { Play.figures([$0]) })
    }

    // MARK: Futures

    /// A job of a future.
    private struct Arrival {
        var job: Job
        var runTime: Int
    }

    private func arrivals(_ random: inout SplitMix64) -> [Arrival] {
        var arrivals: [Arrival] = []
        guard let first = past.first?.job.submitted else { return [] }
        let taken = (scheduler.waiting.map(\.id) + scheduler.runningJobs.map(\.job.id)).max() ?? -1
        for start in stride(from: now + 1, through: now + horizon, by: Self.stretch) {
            let end = min(start + Self.stretch, now + horizon + 1)
            // Where there is no week of it, days have to do, or hours.
            let period = [604_800, 86_400, 3600].first { start - ((end - 1 - now + $0 - 1) / $0) * $0 >= first }
            guard let period else { continue }
            let (nearest, farthest) = ((end - 1 - now + period - 1) / period, (start - first) / period)
            let shift = (nearest + random.below(farthest - nearest + 1)) * period
            let from = past.partition { $0.job.submitted >= start - shift }
            for past in past[from...] {
                guard past.job.submitted < end - shift else { break }
                var job = past.job
                job.id = taken + 1 + arrivals.count
                job.submitted += shift
                job.reservation = nil
                arrivals.append(Arrival(job: job, runTime: past.runTime))
            }
        }
        return arrivals
    }

    /// How a future went.
    private struct Play {
        /// Sorted.
        var waits: [Int]
        var unstarted: Int
        /// Slot-seconds.
        var used: Int
        var offered: Int

        static func figures(_ plays: [Play]) -> Figures {
            let waits = plays.count == 1 ? plays[0].waits : plays.flatMap(\.waits).sorted()
            let unstarted = plays.reduce(0) { $0 + $1.unstarted }
            func quantile(_ part: Double) -> Int {
                let place = Int(part * Double(waits.count + unstarted))
                return waits.isEmpty && unstarted == 0 ? 0 : place < waits.count ? waits[place] : .max
            }
            let (used, offered) = plays.reduce((0, 0)) { ($0.0 + $1.used, $0.1 + $1.offered) }
            return Figures(
                jobs: waits.count + unstarted, unstarted: unstarted,
                meanWait: Double(waits.reduce(0, +)) / Double(max(1, waits.count)), p50Wait: quantile(0.5), p95Wait: quantile(0.95),
                utilisation: offered > 0 ? Double(used) / Double(offered) : 0)
        }
    }

    /// Jobs that wait after the horizon are waited for, with nothing more submitted.
    private func play(_ index: Int, _ changes: [ClusterChange]) -> Play {
        var random = SplitMix64(seed &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15)
        let mood = random.next()
        let arrivals = arrivals(&random)
        let firstID = arrivals.first?.job.id ?? .max
        let end = now + horizon
        func runTime(_ job: RunningJob) -> Int {
            if job.job.id >= firstID { return arrivals[job.job.id - firstID].runTime }
            var own = SplitMix64(mood ^ UInt64(truncatingIfNeeded: job.job.user))
            return histories.runTime(of: job.job, elapsed: max(0, now - job.started), at: own.part())
        }
        func used(_ job: RunningJob) -> Int {
            max(0, min(end, job.started.later(by: runTime(job))) - max(now, job.started)) * job.job.ranks
        }

        var changed = scheduler
        var (later, closed, offered) = changed.change(changes, at: now, until: end)
        changed.keepOrder(for: Self.orderInterval)
        var course = Course(changed, at: now, runTime: runTime)
        var play = Play(waits: [], unstarted: changed.waitingCount + arrivals.count, used: 0, offered: offered)
        for job in changed.runningJobs {
            play.used += used(job)
            // A node that is closed offers what is used of it until then.
            let over = min(end, job.started.later(by: runTime(job)))
            for share in job.shares {
                for node in share.nodes { play.offered += max(0, over - max(now, closed[node] ?? .max)) * Int(share.ranks) }
            }
        }
        var submitted = 0
        var instants = 0
        while play.unstarted > 0, instants < Self.mostInstants {
            if instants % Self.askInterval == Self.askInterval - 1, isOver() { break }
            for job in course.pass(runTime: runTime) {
                play.waits.append(job.started - job.job.submitted)
                play.unstarted -= 1
                play.used += used(job)
            }
            let arrival = submitted < arrivals.count ? arrivals[submitted].job.submitted : nil
            guard let next = [arrival, later.first?.time, course.next].compactMap(\.self).min() else { break }
            course.move(to: next)
            while let addition = later.first, addition.time == next {
                course.scheduler.add(addition.nodes, at: next)
                later.removeFirst()
            }
            while submitted < arrivals.count, arrivals[submitted].job.submitted == next {
                course.scheduler.submit(arrivals[submitted].job, at: next)
                submitted += 1
            }
            instants += 1
        }
        play.waits.sort()
        return play
    }
}

extension Scheduler {
    /// Makes changes, as far as they are due.
    /// - Returns: the nodes that come later, when nodes are closed, and the slot-seconds that the others offer in all.
    fileprivate mutating func change(
        _ changes: [ClusterChange], at now: Int, until end: Int
    ) -> (later: [(time: Int, nodes: [ClusterNode])], closed: [Int: Int], offered: Int) {
        var closed: [Int: Int] = [:]
        for node in machine.nodes.indices where !machine.isUp(node) { closed[node] = now }
        var later: [(time: Int, nodes: [ClusterNode])] = []
        var offered = machine.upSlots * (end - now)
        for (index, change) in changes.enumerated() {
            switch change {
            case .add(let count, let like, let time):
                let count = max(0, count)
                let nodes = (0..<count).map { number in
                    var node = like
                    // No other has this name.
                    node.name = "+\(index).\(number)"
                    node.state = .up
                    return node
                }
                offered += count * like.slots * max(0, end - max(now, time))
                if time <= now { add(nodes, at: now) } else { later.append((time, nodes)) }
            case .drain(let nodes, let time):
                let up = nodes.filter { machine.isUp($0) }
                for node in up { closed[node] = min(closed[node] ?? .max, max(now, time)) }
                offered -= up.reduce(0) { $0 + machine.nodes[$1].slots } * max(0, end - max(now, time))
                if time <= now { for node in up { setUp(node, false, at: now) } } else { close(up, from: time, at: now) }
            case .policy(let policy): adopt(policy, at: now)
            }
        }
        return (later.sorted { $0.time < $1.time }, closed, offered)
    }
}
