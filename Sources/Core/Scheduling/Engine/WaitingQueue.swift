// SPDX-License-Identifier: Apache-2.0

/// The jobs that wait, in their order. Those that need few enough ranks are found without looking at each.
struct WaitingQueue: Sendable {
    private static let block = 64
    /// In the place of a job that has left.
    private static let gone = Int32.max

    private var jobs: [Job] = []
    private var ranks: [Int32] = []
    /// Of each block of places.
    private var least: [Int32] = []
    private(set) var count = 0
    private var orderedAt = Int.min

    subscript(place: Int) -> Job { jobs[place] }

    var leastRanks: Int { Int(least.min() ?? Self.gone) }

    mutating func append(_ job: Job) {
        jobs.append(job)
        ranks.append(Int32(job.ranks))
        if (jobs.count - 1) % Self.block == 0 { least.append(Self.gone) }
        least[least.count - 1] = min(least[least.count - 1], Int32(job.ranks))
        count += 1
    }

    mutating func remove(at place: Int) {
        ranks[place] = Self.gone
        let block = place / Self.block
        let end = min(ranks.count, (block + 1) * Self.block)
        var smallest = Self.gone
        for index in block * Self.block..<end { smallest = min(smallest, ranks[index]) }
        least[block] = smallest
        count -= 1
    }

    /// Makes up for jobs that have left. Places change.
    mutating func compact() {
        if jobs.count > 2 * Self.block, count < jobs.count / 2 { rebuild(live) }
    }

    func place(of id: Int) -> Int? { jobs.indices.first { ranks[$0] != Self.gone && jobs[$0].id == id } }

    /// The first place from `start` on whose job needs at most so many ranks.
    func next(from start: Int, ranks most: Int) -> Int? {
        let most = Int32(clamping: min(most, Int(Self.gone) - 1))
        var place = start
        while place < ranks.count {
            let block = place / Self.block
            let end = min(ranks.count, (block + 1) * Self.block)
            if least[block] <= most {
                while place < end {
                    if ranks[place] <= most { return place }
                    place += 1
                }
            }
            place = end
        }
        return nil
    }

    func next(from start: Int) -> Int? { next(from: start, ranks: Int(Self.gone)) }

    /// In their order.
    var live: [Job] { jobs.indices.lazy.filter { ranks[$0] != Self.gone }.map { jobs[$0] } }

    /// Sorts by the policy, where its order has changed since the last time.
    mutating func sort(by policy: SchedulingPolicy, _ accounts: Accounts = Accounts(), at now: Int) {
        guard policy.order != .arrival || policy.promotionAge != nil, count > 1 else { return }
        let interval = max(policy.orderInterval, policy.jobsPerSecondOfOrder.map { count / $0 } ?? 0)
        guard orderedAt == .min || now - orderedAt >= interval else { return }
        orderedAt = now
        let jobs = live
        var keys: [(score: Double, id: Int, place: Int)] = []
        keys.reserveCapacity(jobs.count)
        for (place, job) in jobs.enumerated() {
            keys.append((policy.score(job, factor: accounts.hasShares ? accounts.factor(job) : 1, at: now), job.id, place))
        }
        keys.sort { $0.score > $1.score || ($0.score == $1.score && $0.id < $1.id) }
        rebuild(keys.map { jobs[$0.place] })
    }

    /// As if no policy had sorted it.
    mutating func restoreArrival() {
        rebuild(live.sorted { $0.id < $1.id })
        orderedAt = .min
    }

    private mutating func rebuild(_ list: [Job]) {
        jobs = list
        ranks = list.map { Int32($0.ranks) }
        least = stride(from: 0, to: ranks.count, by: Self.block).map { start in
            ranks[start..<min(ranks.count, start + Self.block)].min() ?? Self.gone
        }
        count = list.count
    }
}
