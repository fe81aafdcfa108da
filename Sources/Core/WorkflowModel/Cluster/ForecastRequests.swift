// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// Body of `POST /api/v1/forecasts/wait`: a run that waits, or what a run would ask for if it were submitted now.
package struct WaitForecastRequest: Sendable, Codable, Hashable {
    package var run: RunID?
    package var ranks: Int?
    /// MiB.
    package var memoryPerRank: Int?
    package var needs: RunNeeds?

    package init(run: RunID? = nil, ranks: Int? = nil, memoryPerRank: Int? = nil, needs: RunNeeds? = nil) {
        self.run = run
        self.ranks = ranks
        self.memoryPerRank = memoryPerRank
        self.needs = needs
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case run, ranks, needs
        case memoryPerRank = "memory_per_rank"
    }
}

/// Body of `POST /api/v1/whatif`: what could be otherwise, all at once.
package struct WhatIfRequest: Sendable, Codable, Hashable {
    /// So many more nodes like ``like``.
    package var add: Int?
    /// Name of a node.
    package var like: String?
    /// Names of nodes on which nothing runs any more.
    package var drain: [String]?
    /// From when on nodes are there, or gone. Absent: now.
    package var at: Date?
    /// Name of another policy.
    package var policy: String?
    /// Seconds.
    package var horizon: Int?
    package var futures: Int?

    package init(
        add: Int? = nil, like: String? = nil, drain: [String]? = nil, at: Date? = nil, policy: String? = nil, horizon: Int? = nil,
        futures: Int? = nil
    ) {
        self.add = add
        self.like = like
        self.drain = drain
        self.at = at
        self.policy = policy
        self.horizon = horizon
        self.futures = futures
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case add, like, drain, at, policy, horizon, futures }
}

/// Body of `POST /api/v1/advice`: how many nodes keep waits under a target.
package struct AdviceRequest: Sendable, Codable, Hashable {
    /// Seconds that nineteen of twenty waits shall not exceed.
    package var targetP95Wait: Int
    /// Name of a node, like which others are added or drained. Absent: any, where all are of one class.
    package var like: String?
    /// No more nodes than these are added.
    package var mostNodes: Int?
    /// Seconds.
    package var horizon: Int?
    package var futures: Int?

    package init(targetP95Wait: Int, like: String? = nil, mostNodes: Int? = nil, horizon: Int? = nil, futures: Int? = nil) {
        self.targetP95Wait = targetP95Wait
        self.like = like
        self.mostNodes = mostNodes
        self.horizon = horizon
        self.futures = futures
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case like, horizon, futures
        case targetP95Wait = "target_p95_wait"
        case mostNodes = "most_nodes"
    }
}

/// What bounds a look into the future.
package enum ForecastRules {
    package static let standardHorizon = 86_400
    package static let horizons = 60...604_800
    package static let standardFutures = 32
    package static let futures = 1...64
    /// Added at most.
    package static let mostNodes = 1000
    package static let standardMostNodes = 64
    /// Seconds.
    package static let targets = 0...31_536_000

    static func faults(horizon: Int?, futures: Int?) -> [Problem.FieldError] {
        [fault("/horizon", horizon, horizons, " seconds"), fault("/futures", futures, Self.futures)].compactMap(\.self)
    }

    package static func fault(_ pointer: String, _ value: Int?, _ range: ClosedRange<Int>, _ unit: String = "") -> Problem.FieldError? {
        guard let value, !range.contains(value) else { return nil }
        return .init(pointer, "is \(value): write a number from \(range.lowerBound) to \(range.upperBound)\(unit)")
    }
}

extension WaitForecastRequest {
    /// As far as the request alone tells.
    package func faults(mostRanks: Int) -> [Problem.FieldError] {
        if run != nil {
            let others = [ranks == nil ? nil : "ranks", memoryPerRank == nil ? nil : "memory_per_rank", needs == nil ? nil : "needs"]
            return others.compactMap(\.self).map { .init("/\($0)", "goes without run: what that asks for is known") }
        }
        guard let ranks else { return [.init("/ranks", "is required where no run is named: write a whole number")] }
        guard (1...mostRanks).contains(ranks) else { return [.init("/ranks", "is \(ranks): a run here has from 1 to \(mostRanks) ranks")] }
        return [ForecastRules.fault("/memory_per_rank", memoryPerRank, ResourceRequest.memories, " MiB")].compactMap(\.self)
            + (needs?.faults(ranks: ranks) ?? [])
    }
}

extension WhatIfRequest {
    /// - Parameter known: the nodes of the cluster.
    package func faults(now: Date, nodes known: [ClusterNode], policies: [String]) -> [Problem.FieldError] {
        var faults = ForecastRules.faults(horizon: horizon, futures: futures)
        if add == nil, drain == nil, policy == nil {
            faults.append(.init("", "changes nothing: write add and like, drain, or policy"))
        }
        if let fault = ForecastRules.fault("/add", add, 1...ForecastRules.mostNodes, " nodes") { faults.append(fault) }
        if add != nil, like == nil { faults.append(.init("/like", "is required with add: write the name of a node to be added again")) }
        if like != nil, add == nil { faults.append(.init("/like", "goes with add, the number of nodes")) }
        if let fault = known.fault(ofLike: like) { faults.append(fault) }
        if drain?.isEmpty == true { faults.append(.init("/drain", "names no node: write some, or leave it out")) }
        let names = Set(known.map(\.name))
        for (index, node) in (drain ?? []).enumerated() where !names.contains(node) {
            faults.append(.init("/drain/\(index)", "is '\(node)', which the cluster does not have: see `weft node list`"))
        }
        if let at {
            let last = now + TimeInterval(horizon ?? ForecastRules.standardHorizon)
            if add == nil, drain == nil { faults.append(.init("/at", "goes with add or drain")) }
            if at < now - 60 {
                faults.append(.init("/at", "is in the past: it is \(WireJSON.format(now)) here; leave it out for now"))
            } else if at >= last {
                faults.append(.init("/at", "is behind the horizon, which ends \(WireJSON.format(last)): make that longer"))
            }
        }
        if let policy, !policies.contains(policy) {
            faults.append(.init("/policy", "is '\(policy)': write one of \(policies.joined(separator: ", "))"))
        }
        return faults
    }
}

extension AdviceRequest {
    /// - Parameter known: the nodes of the cluster.
    package func faults(nodes known: [ClusterNode]) -> [Problem.FieldError] {
        var faults = ForecastRules.faults(horizon: horizon, futures: futures)
        faults += [
            ForecastRules.fault("/target_p95_wait", targetP95Wait, ForecastRules.targets, " seconds"),
            ForecastRules.fault("/most_nodes", mostNodes, 1...ForecastRules.mostNodes, " nodes"), known.fault(ofLike: like),
        ].compactMap(\.self)
        let classes = Set(known.filter { $0.slots > 0 }.map { [$0.nodeClass: $0.slots] })
        if like == nil, classes.count != 1 {
            let why = classes.isEmpty ? "no node has told what it offers" : "the cluster has nodes of \(classes.count) classes"
            faults.append(.init("/like", "is required here, since \(why): write the name of a node"))
        }
        return faults
    }
}

extension [ClusterNode] {
    fileprivate func fault(ofLike name: String?) -> Problem.FieldError? {
        guard let name else { return nil }
        guard let node = first(where: { $0.name == name }) else {
            return .init("/like", "is '\(name)', which the cluster does not have: see `weft node list`")
        }
        return node.slots > 0 ? nil : .init("/like", "is '\(name)', which has not told yet what it offers: name another")
    }
}
