// SPDX-License-Identifier: Apache-2.0

/// A gang of ranks that start together, as the scheduler sees it. Times are whole seconds.
package struct Job: Sendable, Hashable {
    /// In the order of submission; breaks ties.
    package var id: Int
    package var submitted: Int
    package var ranks: Int
    /// What one rank needs of a node, as ``Machine/demand(of:)`` counts it.
    package var demand: DemandID
    /// How long it may run: the only promise of its end.
    package var limit: Int
    /// How long it is expected to run: what orders it and plans around it, and never ends it.
    package var expected: Int
    /// Whose share it takes, as an index into the scheduler's accounts.
    package var account: Int
    /// Of its class of priority; 1 is usual.
    package var weight: Double
    /// The reservation that it runs in.
    package var reservation: Int?
    /// Whoever submitted it, as a number: a forecast goes by how long their jobs ran. No decision does.
    package var user: Int

    package init(
        id: Int, submitted: Int, ranks: Int, demand: DemandID = .any, limit: Int, expected: Int? = nil, account: Int = 0,
        weight: Double = 1, reservation: Int? = nil, user: Int = 0
    ) {
        self.id = id
        self.submitted = submitted
        self.ranks = ranks
        self.demand = demand
        self.limit = limit
        self.expected = expected ?? limit
        self.account = account
        self.weight = weight
        self.reservation = reservation
        self.user = user
    }
}

/// Equally many ranks of a job on each of some nodes that follow each other.
package struct Share: Sendable, Hashable {
    package var first: Int32
    package var count: Int32
    /// On each.
    package var ranks: Int32

    package init(nodes: Range<Int>, ranks: Int) {
        first = Int32(nodes.lowerBound)
        count = Int32(nodes.count)
        self.ranks = Int32(ranks)
    }

    package init(node: Int, ranks: Int) { self.init(nodes: node..<node + 1, ranks: ranks) }

    package var nodes: Range<Int> { Int(first)..<Int(first + count) }

    /// Of each node.
    func amount(_ memoryPerRank: Int) -> Machine.Room { Machine.Room(slots: Int(ranks), memory: Int(ranks) * memoryPerRank) }
}

/// A job that has its place.
package struct RunningJob: Sendable, Hashable {
    package var job: Job
    package var started: Int
    /// In the order of the ranks.
    package var shares: [Share]

    package init(job: Job, started: Int, shares: [Share]) {
        self.job = job
        self.started = started
        self.shares = shares
    }

    package var expectedEnd: Int { started.later(by: job.expected) }
    /// Latest second at which its limit ends it.
    package var latestEnd: Int { started.later(by: job.limit) }

    var expected: JobEnd { JobEnd(time: expectedEnd, job: job.id, ranks: Int32(job.ranks)) }
    var latest: JobEnd { JobEnd(time: latestEnd, job: job.id, ranks: Int32(job.ranks)) }
}

extension Int {
    /// `Int.max`, which is never, where it would be beyond.
    func later(by seconds: Int) -> Int {
        let (time, isBeyond) = addingReportingOverflow(seconds)
        return isBeyond ? .max : time
    }
}
