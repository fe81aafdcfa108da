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
    }

    /// By the workload's order.
    package private(set) var outcomes: [Outcome]
    package private(set) var passes = 0
    package private(set) var longestQueue = 0

    private enum Kind: Int {
        case outlived, end
    }

    private struct Event: Comparable {
        var time: Int
        var kind: Kind
        var job: Int

        static func < (left: Event, right: Event) -> Bool {
            (left.time, left.kind.rawValue, left.job) < (right.time, right.kind.rawValue, right.job)
        }
    }

    /// - Parameters:
    ///   - observe: called after each pass with its instant and the scheduler.
    package init(
        _ workload: Workload, scheduler: Scheduler, foresight: Foresight, observe: (Int, borrowing Scheduler) -> Void = { _, _ in }
    ) {
        let entries = workload.entries
        var scheduler = scheduler
        var predictor: (any RunTimePredictor)? = if case .learned(let predictor) = foresight { predictor } else { nil }
        outcomes = entries.map { Outcome(started: -1, prediction: RunTimePrediction($0.traits.limit, limit: $0.traits.limit)) }
        var events = Heap<Event>()
        var submitted = 0
        var demands: [Int: DemandID] = [:]
        var wake: Int?
        while true {
            let next = [submitted < entries.count ? entries[submitted].submitted : nil, events.least?.time, wake].compactMap(\.self).min()
            guard let now = next else { break }
            while let event = events.least, event.time == now {
                events.removeLeast()
                let entry = entries[event.job]
                switch event.kind {
                case .outlived: scheduler.outlives(event.job, expected: entry.traits.limit)
                case .end:
                    scheduler.end(event.job, at: now)
                    predictor?.learn(entry.traits, runTime: entry.runTime, predicted: outcomes[event.job].prediction)
                }
            }
            while submitted < entries.count, entries[submitted].submitted == now {
                let (id, entry) = (submitted, entries[submitted])
                submitted += 1
                switch foresight {
                case .limit: break
                case .actual: outcomes[id].prediction = RunTimePrediction(expected: entry.runTime, p90: entry.runTime, p95: entry.runTime)
                case .learned: outcomes[id].prediction = predictor?.predict(entry.traits) ?? outcomes[id].prediction
                }
                let demand =
                    demands[entry.memoryPerRank]
                    ?? scheduler.demand(
                        of: ResourceRequest(ranks: 1, memoryPerRank: entry.memoryPerRank))
                demands[entry.memoryPerRank] = demand
                scheduler.submit(
                    Job(
                        id: id, submitted: now, ranks: entry.traits.ranks, demand: demand, limit: entry.traits.limit,
                        expected: outcomes[id].prediction.expected), at: now)
                outcomes[id].promised = scheduler.promisedStart(of: id)
            }
            for started in scheduler.pass(at: now) {
                let id = started.job.id
                outcomes[id].started = now
                events.insert(Event(time: now + entries[id].runTime, kind: .end, job: id))
                if started.job.expected < entries[id].runTime {
                    events.insert(Event(time: started.expectedEnd, kind: .outlived, job: id))
                }
            }
            for promise in scheduler.newPromises { outcomes[promise.job].promised = promise.start }
            passes += 1
            longestQueue = max(longestQueue, scheduler.waitingCount)
            wake = scheduler.nextWake(after: now)
            observe(now, scheduler)
        }
    }
}

/// A priority queue: the least element first.
struct Heap<Element: Comparable> {
    private var elements: [Element] = []

    var least: Element? { elements.first }

    mutating func insert(_ element: Element) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0, elements[child] < elements[(child - 1) / 2] {
            elements.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeLeast() {
        elements.swapAt(0, elements.count - 1)
        elements.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < elements.count && elements[child] < elements[least] {
                least = child
            }
            guard least != parent else { return }
            elements.swapAt(parent, least)
            parent = least
        }
    }
}
