// SPDX-License-Identifier: Apache-2.0

import Backends
import Scheduling
import WorkflowModel

/// What a run would ask for on a number of ranks.
struct Candidate: Sendable {
    var resources: ResourceRequest
    /// MiB that a rank is content with where the nodes have less than `resources` says.
    var leastMemory: Int
    /// Seconds that it is expected to take; `nil`: not known.
    var runTime: Double?
}

/// What the cluster has for candidates, each as if it alone were submitted now.
struct Prospects: Sendable, Equatable {
    struct Prospect: Sendable, Equatable {
        var nodes: Int?
        var wait: WaitForecast?
    }

    /// In the order of the candidates.
    var all: [Prospect] = []
    /// Why waits are missing.
    var note: String?
}

extension ClusterOutlook {
    /// - Parameter isOver: asked before each candidate; those that are left have neither nodes nor wait.
    func prospects(of candidates: [Candidate], owner: String, isOver: () -> Bool) -> Prospects {
        var live = live
        var prospects = Prospects()
        if live.isTooLong { prospects.note = "too many runs wait" }
        for candidate in candidates {
            var prospect = Prospects.Prospect()
            if isOver() {
                prospects.note = prospects.note ?? "it takes too long to run ahead over the queue for each number of ranks"
            } else if candidate.resources.needs.faults(ranks: candidate.resources.ranks).isEmpty {
                var resources = candidate.resources
                resources.memoryPerRank = RunPlanner.mostMemory(from: candidate.leastMemory, upTo: resources.memoryPerRank) { memory in
                    var smaller = resources
                    smaller.memoryPerRank = memory
                    return Placement.nodeCount(smaller, nodes: nodes) != nil
                }
                prospect.nodes = Placement.nodeCount(resources, nodes: nodes)
                if !live.isTooLong {
                    let expected = candidate.runTime.map { Int(max(1, min($0.rounded(.up), Double(Int32.max)))) }
                    prospect.wait = live.wait(of: resources, owner: owner, expected: expected, at: now).forecast
                }
            }
            prospects.all.append(prospect)
        }
        return prospects
    }
}

extension ExecutionService {
    /// How long a plan may wait for its turn, and how long all its forecasts may then take: it is worth something without them.
    private static let patience = Duration.seconds(5)
    private static let longestProspects = Duration.seconds(10)

    /// The plan with what the cluster has now for it and its alternatives, or with the reason why that is left out.
    func withProspects(_ planned: PlannedRun, _ alternatives: [Candidate], for principal: Principal) async -> PlannedRun {
        var planned = planned
        guard placing == .weft else {
            planned.plan.reasons.append("neither nodes nor waits are told: the cluster's own engine places runs here")
            return planned
        }
        // As for forecasts of waits.
        guard !principal.scopes.isDisjoint(with: [.read, .admin]) else {
            planned.plan.reasons.append("neither nodes nor waits are told: that needs the scope weft.read")
            return planned
        }
        // The plan's own comes first, so that it has the time that there is.
        let own = Candidate(
            resources: planned.resources, leastMemory: planned.resources.memoryPerRank,
            runTime: planned.predictions.first { $0.kind == .runTime }?.p50)
        do {
            let prospects = try await passing(waitGate, patience: Self.patience, tooLong: "see how runs wait in the queue") {
                time, outlook in
                let deadline = ContinuousClock.now + Self.longestProspects
                return outlook.prospects(of: [own] + alternatives, owner: principal.label) { time.isOver || .now > deadline }
            }
            planned.add(prospects)
        } catch {
            planned.plan.reasons.append("neither nodes nor waits are told: \(error.detail)")
        }
        return planned
    }
}

extension PlannedRun {
    /// - Parameter prospects: of the plan, then of its alternatives.
    mutating func add(_ prospects: Prospects) {
        guard let own = prospects.all.first else { return }
        (nodes, wait) = (own.nodes, own.wait.map(Alternative.Range.init))
        for (index, prospect) in prospects.all.dropFirst().enumerated() {
            let prospect = alternatives?[index].isChosen == true ? own : prospect
            alternatives?[index].nodes = prospect.nodes
            alternatives?[index].wait = prospect.wait.map(Alternative.Range.init)
        }
        if let note = prospects.note { plan.reasons.append("not all waits are told: \(note)") }
        switch own.wait {
        case WaitForecast(p50: 0, p95: 0): plan.reasons.append("submitted now, it would start at once")
        case let wait?:
            plan.reasons.append("submitted now, it is expected to wait for \(wait.p50) s, in 19 of 20 runs no more than \(wait.p95) s")
        case nil where prospects.note == nil:
            plan.reasons.append("submitted now, it would not start as things are: `weft forecast wait` says why")
        case nil: break
        }
    }
}

extension Alternative.Range {
    fileprivate init(_ wait: WaitForecast) { self.init(p50: Double(wait.p50), p95: Double(wait.p95)) }
}
