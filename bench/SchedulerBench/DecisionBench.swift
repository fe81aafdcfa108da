// SPDX-License-Identifier: Apache-2.0

import Scheduling
import WorkflowModel

/// Passes over a queue that stays long, on nodes of two classes with memory, after single ends and submissions.
struct DecisionBench {
    var nodes: Int
    var queued: Int
    /// Some jobs need more memory for a rank than the smaller nodes have for each slot, so that not any slot will do.
    var isMemoryBound: Bool

    func run() -> [String: Double] {
        var random = SplitMix64(1)
        let machine = Machine(
            (0..<nodes).map { index in
                let isLarge = index % 4 == 0
                return ClusterNode(
                    name: "n\(index)", cores: 16, memory: isLarge ? 262_144 : 65_536, slots: 16, labels: isLarge ? ["large"] : [])
            })
        var scheduler = Scheduler(policy: .weft, machine: machine)
        let demands = (isMemoryBound ? [1024, 2048, 4096, 8192] : [1024, 2048, 4096]).map {
            scheduler.demand(of: ResourceRequest(ranks: 1, memoryPerRank: $0))
        }
        var (now, next) = (0, 0)
        var running: [Int] = []
        var durations: [Duration] = []
        var decided = 0
        func job() -> Job {
            defer { next += 1 }
            let limit = 300 * (1 + Int.random(in: 0..<40, using: &random))
            return Job(
                id: next, submitted: now, ranks: 1 << Int.random(in: 0..<7, using: &random),
                demand: demands[Int.random(in: 0..<demands.count, using: &random)], limit: limit,
                expected: max(1, limit / Int.random(in: 1...6, using: &random)))
        }
        while scheduler.waitingCount < queued {
            now += Int.random(in: 0...1, using: &random)
            scheduler.submit(job(), at: now)
        }
        /// Of jobs that run; of some that have ended, too.
        func takeRunning() -> Int? {
            guard !running.isEmpty else { return nil }
            running.swapAt(Int.random(in: 0..<running.count, using: &random), running.count - 1)
            return running.removeLast()
        }
        let clock = ContinuousClock()
        running += scheduler.pass(at: now).map(\.job.id)
        let start = clock.now
        while start.duration(to: clock.now) < .seconds(10) {
            now += 1
            // Who is over the limit ends, and some do before.
            let late = scheduler.late(at: now)
            for job in late.overdue { scheduler.end(job, at: now) }
            var ended = late.overdue.count
            while ended < 8, let job = takeRunning() {
                if scheduler.runningJob(job) == nil { continue }
                scheduler.end(job, at: now)
                ended += 1
            }
            for job in late.outlived {
                if let limit = scheduler.runningJob(job)?.job.limit { scheduler.outlives(job, expected: limit) }
            }
            while scheduler.waitingCount < queued { scheduler.submit(job(), at: now) }
            var started: [RunningJob] = []
            durations.append(clock.measure { started = scheduler.pass(at: now) })
            decided += started.count
            running += started.map(\.job.id)
        }
        durations.sort()
        let total = durations.reduce(Duration.zero, +)
        return [
            "starts_per_second": Double(decided) / (total / .seconds(1)),
            "passes": Double(durations.count),
            "pass_p50_ms": durations[durations.count / 2] / .milliseconds(1),
            "pass_p99_ms": durations[durations.count * 99 / 100] / .milliseconds(1),
            "pass_maximum_ms": (durations.last ?? .zero) / .milliseconds(1),
            "queued": Double(scheduler.waitingCount),
        ]
    }
}
