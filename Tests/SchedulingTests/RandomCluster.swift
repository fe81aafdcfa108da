// SPDX-License-Identifier: Apache-2.0

import Scheduling
import WorkflowModel

/// A small random cluster, what happens to it, and jobs for it.
struct RandomCluster {
    var nodes: [ClusterNode] = []
    var entries: [Replay.Entry] = []
    var accounts: [Accounts.Account] = [.init()]
    var changes: [Replay.Change] = []
    let policy: NamedPolicy
    /// Jobs are expected to run up to their limits.
    var goesByLimits = true
    var hasQuotas = false
    var hasShares = false
    /// Nodes or windows change while jobs wait.
    var isUnsteady = false

    /// - Parameter overrun: some jobs go on beyond their limits.
    init(_ seed: Int, _ policy: NamedPolicy, overrun: Bool = false) {
        self.policy = policy
        var random = SeededGenerator(seed)
        addNodes(&random)
        addAccounts(&random)
        let length = addJobs(&random)
        addWindows(&random, length)
        addOutages(&random, length)
        for id in entries.indices where random.chance(1, in: 40) {
            changes.append(.init(entries[id].submitted + random.below(60), .withdraw(id)))
        }
        changes.sort { $0.time < $1.time }
        guard overrun else { return }
        isUnsteady = true
        for id in entries.indices where random.chance(1, in: 4) { entries[id].runTime = entries[id].limit + 1 + random.below(60) }
    }

    var slots: Int { nodes.reduce(0) { $0 + $1.slots } }

    func replay() -> Replay {
        Replay(entries, policy.policy, nodes: nodes, accounts: Accounts(accounts, halfLife: 100, at: 0), changes: changes)
    }

    private mutating func addNodes(_ random: inout SeededGenerator) {
        let (hasMemory, hasLabels) = (random.chance(1, in: 2), random.chance(1, in: 3))
        let kinds = (0..<1 + random.below(3)).map { _ in
            let slots = 1 + random.below(4)
            let labels: [Set<String>] = [[], ["x"], ["y"], ["x", "y"]]
            return ClusterNode(
                name: "", cores: slots, memory: hasMemory ? slots * 10 * (1 + random.below(3)) : 0, slots: slots,
                labels: hasLabels ? labels[random.below(4)] : [])
        }
        for index in 0..<1 + random.below(8) {
            var node = kinds[random.below(kinds.count)]
            node.name = "n\(index)"
            nodes.append(node)
        }
    }

    private mutating func addAccounts(_ random: inout SeededGenerator) {
        hasQuotas = random.chance(1, in: 4)
        hasShares = random.chance(1, in: 6)
        guard hasQuotas || hasShares else { return }
        func quota(_ random: inout SeededGenerator) -> Accounts.Quota {
            var quota = Accounts.Quota()
            guard hasQuotas else { return quota }
            if random.chance(2, in: 3) { quota.ranks = 1 + random.below(slots) }
            if quota.ranks != nil, random.chance(1, in: 2) { quota.borrowedRanks = random.below(4) }
            if random.chance(1, in: 5) { quota.memory = 10 + random.below(100) }
            if random.chance(1, in: 8) { quota.rankSeconds = 50 + random.below(1000) }
            return quota
        }
        accounts = [.init(quota: quota(&random))]
        accounts[0].quota.borrowedRanks = 0
        for _ in 0..<2 { accounts.append(.init(parent: 0, share: hasShares ? Double(1 + random.below(3)) : nil, quota: quota(&random))) }
    }

    private mutating func addJobs(_ random: inout SeededGenerator) -> Int {
        goesByLimits = random.chance(policy.source == .user ? 7 : 2, in: 10)
        let (endsEarly, gap) = (random.chance(2, in: 3), 1 + random.below(12))
        let hasMemory = nodes[0].memory > 0
        let labels = Set(nodes.flatMap(\.labels)).sorted()
        var now = 0
        for _ in 0..<5 + random.below(1 + random.below(36)) {
            if random.chance(2, in: 3) { now += random.below(gap + 1) }
            let limit = 1 + random.below(random.chance(1, in: 2) ? 15 : 60)
            let run = endsEarly ? 1 + random.below(limit) : limit
            let most = random.chance(1, in: 2) ? min(3, slots) : slots
            let ranks = random.chance(1, in: 40) ? slots + 1 : 1 + random.below(most)
            var needs = RunNeeds()
            var blocks: [RankBlock] = []
            if !labels.isEmpty, random.chance(1, in: 4) { needs.labels = [labels[random.below(labels.count)]] }
            if random.chance(1, in: 12) { needs.nodes = 1 + random.below(min(ranks, nodes.count)) }
            if !labels.isEmpty, needs.nodes == nil, ranks > 1, random.chance(1, in: 8) {
                blocks = [RankBlock(ranks: 1, labels: [labels[0]]), RankBlock(ranks: ranks - 1, labels: [])]
            }
            entries.append(
                Replay.Entry(
                    now, run, ranks: ranks, limit: limit, expected: goesByLimits ? limit : 1 + random.below(limit),
                    memory: hasMemory ? random.below(25) : 0, needs: needs, blocks: blocks,
                    account: accounts.count == 1 ? 0 : random.below(3), weight: random.chance(1, in: 8) ? 2 : 1))
        }
        return now + 60
    }

    private mutating func addWindows(_ random: inout SeededGenerator, _ length: Int) {
        guard random.chance(1, in: 3) else { return }
        var windows: [Window] = []
        for reservation in 0..<1 + random.below(3) {
            let start = random.below(length)
            let part = nodes.indices.filter { _ in random.chance(1, in: 2) }
            var window = Window(nodes: part.isEmpty ? Array(nodes.indices) : part, start: start, end: start + 1 + random.below(50))
            if random.chance(1, in: 2) {
                window.reservation = reservation
                for id in entries.indices where entries[id].submitted < window.end && random.chance(1, in: 10) {
                    entries[id].reservation = reservation
                    changes.append(.init(window.end, .withdraw(id)))
                }
            }
            windows.append(window)
        }
        let isLate = random.chance(1, in: 3)
        isUnsteady = isLate
        changes.append(.init(isLate ? random.below(length) : 0, .windows(windows)))
    }

    private mutating func addOutages(_ random: inout SeededGenerator, _ length: Int) {
        guard random.chance(1, in: 3) else { return }
        for node in nodes.indices where random.chance(1, in: 3) {
            let start = random.below(length)
            if random.chance(1, in: 6) {
                nodes[node].state = .drained
            } else {
                changes.append(.init(start, .up(node: node, false)))
            }
            changes.append(.init(start + 1 + random.below(60), .up(node: node, true)))
            isUnsteady = true
        }
    }
}
