// SPDX-License-Identifier: Apache-2.0

import Backends
import Crypto
import Foundation
import Prediction
import Scheduling
import Storage
package import WorkflowModel

extension ExecutionService {
    /// What a request comes to, before anything is stored.
    private struct PreparedRun {
        var graph: RegisteredGraph
        var planned: PlannedRun
        var inputs: [String: SourceInput]
        var workflow: WorkflowGraph
        var layout: LaidOutRun
    }

    private func prepare(_ request: RunRequest, by principal: Principal, needsInputs: Bool = true) async throws(Problem) -> PreparedRun {
        if let name = request.name, name.isEmpty || name.utf8.count > 200 {
            throw Problem(.invalid, "A run's name has 1 to 200 bytes.", errors: [.init("/name", "has \(name.utf8.count)")])
        }
        if let fault = ForecastRules.fault("/memory_per_rank", request.memoryPerRank, ResourceRequest.memories, " MiB") {
            throw Problem(.invalid, "The memory of a rank is given in MiB.", errors: [fault])
        }
        try request.needs?.checkPriority(by: principal)
        let registered: RegisteredGraph
        do { registered = try await graph(request.graph) } catch {
            guard error.kind == .notFound else { throw error }
            throw Problem(.invalid, error.detail, errors: [.init("/graph", "register it first, or see `weft graph list`")])
        }
        guard let graph = registered.graph else { throw Problem(.internalError, "\(registered.reference) was stored without its graph.") }
        let inputs = needsInputs ? try request.resolveInputs(for: graph) : [:]
        let needs = request.needs ?? RunNeeds()
        let layout = try await layout(request, registered.reference, graph, inputs, by: principal)
        let plan = layout.plan
        let faults = needs.faults(ranks: plan.ranks) + (request.retry?.faults ?? []) + needs.faults(elements: graph)
        guard faults.isEmpty else { throw Problem(.invalid, "The run cannot be started as it is asked for.", errors: faults) }
        let resources = request.resources(plan, of: graph, memoryPerRank: layout.memoryPerRank)
        try await supervisor.checkFits(resources, owner: principal.label)
        _ = try await interpreter(for: registered.environment)
        let planned = PlannedRun(
            graph: registered.reference, elements: graph.elements.map(\.id), resources: resources, plan: plan,
            predictions: layout.predictions, alternatives: layout.alternatives)
        return PreparedRun(graph: registered, planned: planned, inputs: inputs, workflow: graph, layout: layout)
    }

    /// Lays the run out by what is known of earlier ones.
    private func layout(
        _ request: RunRequest, _ reference: Reference, _ graph: WorkflowGraph, _ inputs: [String: SourceInput], by principal: Principal
    ) async throws(Problem) -> LaidOutRun {
        let goal = try request.goal()
        if case .exactly(let ranks) = request.ranks, !(1...configuration.maximumRanks).contains(ranks) {
            throw Problem(
                .invalid, "A run here has from 1 to \(configuration.maximumRanks) ranks.", errors: [.init("/ranks", "is \(ranks)")])
        }
        let nodes = (try? await supervisor.nodes()) ?? []
        let kinds = Set(graph.elements.map(\.kind))
        let (experience, visible) = try await stored {
            let experience = try await storage.experience(of: reference, kinds: kinds, owner: principal)
            return (experience, try await storage.runs(experience.runs.map(\.run) + experience.elements.map(\.run), visibleTo: principal))
        }
        let predictor = RunPredictor(
            experience, of: graph, as: reference, features: inputs.isEmpty ? InputFeatures([:]) : InputFeatures(of: inputs),
            nodeClass: RunLearning.nodeClass(of: nil, nodes),
            limit: request.needs?.timeLimit)
        let planner = RunPlanner(
            graph: graph, layout: request.layout ?? .fused, given: request.costs, usesHistory: request.usesHistory ?? true,
            predictor: predictor, memoryPerRank: request.memoryPerRank, defaultMemoryPerRank: configuration.defaultMemoryPerRank,
            visible: visible.union(experience.users.map(\.run))
        ) { [placing] plan, memory in
            let resources = request.resources(plan, of: graph, memoryPerRank: memory)
            return placing != .weft || nodes.isEmpty || (try? Placement.checkFits(resources, nodes: nodes)) != nil
        }
        guard let goal else {
            let ranks = if case .exactly(let ranks) = request.ranks { ranks } else { 1 }
            return try planner.plan(ranks: ranks)
        }
        let slots = nodes.reduce(0) { $0 + $1.slots }
        let most = min(request.maximumRanks ?? .max, configuration.maximumRanks, slots > 0 ? slots : .max)
        return try planner.plan(upTo: most, for: goal)
    }

    /// Where the request says nothing of inputs, they are not checked: the layout does not depend on them.
    package func plan(_ request: RunRequest, by principal: Principal) async throws(Problem) -> PlannedRun {
        let prepared = try await prepare(request, by: principal, needsInputs: request.inputs != nil || request.arguments != nil)
        let alternatives = zip(prepared.layout.candidates, prepared.layout.alternatives ?? []).map { candidate, alternative in
            Candidate(
                resources: request.resources(candidate.plan, of: prepared.workflow, memoryPerRank: candidate.memoryPerRank),
                leastMemory: request.memoryPerRank ?? configuration.defaultMemoryPerRank, runTime: alternative.runTime.p50)
        }
        var planned = await withProspects(prepared.planned, alternatives, for: principal)
        let visible = try await stored { try await storage.runs(planned.predictions.flatMap(\.runs), visibleTo: principal) }
        planned.predictions = planned.predictions.map { $0.naming(visible) }
        return planned
    }

    /// With an idempotency key, the same request again gives the same run (`created` false); another request under the same
    /// key is refused.
    package func submit(_ request: RunRequest, idempotencyKey: String?, by principal: Principal) async throws(Problem)
        -> (run: Run, created: Bool)
    {
        let prepared = try await prepare(request, by: principal)
        var random = SystemRandomNumberGenerator()
        let id = RunID(
            milliseconds: UInt64(Date().timeIntervalSince1970 * 1000),
            random: (0..<10).map { _ in UInt8.random(in: 0...255, using: &random) })
        let outcome = try await stored {
            try await storage.createRun(
                NewRun(
                    id: id, name: request.name, graph: prepared.graph.reference, owner: principal, resources: prepared.planned.resources,
                    retry: request.retry ?? .standard, inputs: prepared.inputs, plan: prepared.planned.plan,
                    predictions: prepared.planned.predictions, submittedAt: Date()),
                idempotencyKey: idempotencyKey,
                requestDigest: SHA256.hash(data: Data(try WireJSON.encode(request))).hexadecimal)
        }
        switch outcome {
        case .created(let run):
            supervisor.nudge()
            return (run, true)
        case .replayed(let run): return (run, false)
        case .keyReused:
            throw Problem(
                .invalid, "The idempotency key was used for another request; use a new key for a new run.",
                errors: [.init("Idempotency-Key", "belongs to a request with another body")])
        }
    }

    package func run(_ id: RunID, for principal: Principal) async throws(Problem) -> Run {
        guard let run = try await stored({ try await storage.run(id, visibleTo: principal) }) else {
            throw Problem(.notFound, "There is no run \(id), or it is not yours.")
        }
        return run
    }

    package func runs(_ filter: RunFilter, page: PageRequest, for principal: Principal) async throws(Problem) -> Page<Run> {
        guard !filter.everyOwner || principal.scopes.contains(.admin) else {
            throw Problem(.forbidden, "Runs of every owner are shown only with the scope weft.admin.")
        }
        return try await stored {
            try await storage.runs(
                states: filter.states, graph: filter.graph, name: filter.name, owner: filter.everyOwner ? nil : principal, page: page)
        }
    }

    /// Asks the run to end. A run that waits is cancelled at once; one that runs, within seconds.
    package func cancel(_ id: RunID, by principal: Principal) async throws(Problem) -> Run {
        _ = try await run(id, for: principal)
        let state = try await stored { try await storage.requestCancel(id, at: Date()) }
        guard state == .cancelling || state == .cancelled else {
            throw Problem(.conflict, "\(id) has ended (\(state.rawValue)); there is nothing to cancel.")
        }
        supervisor.nudge()
        return try await run(id, for: principal)
    }

    /// Queues another attempt of a run that failed or was cancelled.
    package func retry(_ id: RunID, by principal: Principal) async throws(Problem) -> Run {
        let before = try await run(id, for: principal)
        try before.resources.needs.checkPriority(by: principal)
        try await supervisor.checkFits(before.resources, owner: before.owner)
        guard try await stored({ try await storage.retry(id, at: Date()) }) != nil else {
            throw Problem(.conflict, "\(id) is \(before.state.rawValue); only a run that failed or was cancelled can be retried.")
        }
        supervisor.nudge()
        return try await run(id, for: principal)
    }

    /// Lines after `sequence`, oldest first, at most `limit`. `attempt` nil: the latest.
    package func logs(_ id: RunID, attempt: Int?, rank: Int?, after sequence: Int64, limit: Int, for principal: Principal)
        async throws(Problem) -> [LogLine]
    {
        let run = try await run(id, for: principal)
        let number = try attemptNumber(attempt, of: run)
        let ranks = run.resources.ranks
        if let rank, !(0..<ranks).contains(rank) {
            let range = ranks == 1 ? "rank 0 only" : "ranks 0-\(ranks - 1)"
            throw Problem(.invalid, "\(id) has no rank \(rank).", errors: [.init("rank", "is \(rank); the run has \(range)")])
        }
        return try await stored { try await storage.logs(id, attempt: number, rank: rank, after: sequence, limit: limit) }
    }

    /// `attempt` nil: the run's.
    package func results(_ id: RunID, attempt: Int?, page: PageRequest, for principal: Principal) async throws(Problem) -> Page<RunResult> {
        _ = try await attemptNumber(attempt, of: id, for: principal)
        return try await stored { try await storage.results(id, attempt: attempt, page: page) }
    }

    /// The attempt asked for, or the latest, of a run that the caller may see.
    func attemptNumber(_ attempt: Int?, of id: RunID, for principal: Principal) async throws(Problem) -> Int {
        try attemptNumber(attempt, of: try await run(id, for: principal))
    }

    private func attemptNumber(_ attempt: Int?, of run: Run) throws(Problem) -> Int {
        let attempts = run.attempts
        guard let number = attempt ?? attempts.last?.number, attempts.contains(where: { $0.number == number }) else {
            throw Problem(
                .notFound, "\(run.id) has \(attempts.count) attempt\(attempts.count == 1 ? "" : "s"), not attempt \(attempt ?? 1).")
        }
        return number
    }
}

extension RunRequest {
    fileprivate func resources(_ plan: Plan, of graph: WorkflowGraph, memoryPerRank: Int) -> ResourceRequest {
        let needs = needs ?? RunNeeds()
        return ResourceRequest(
            ranks: plan.ranks, memoryPerRank: memoryPerRank, needs: needs, blocks: plan.blocks(of: graph, labels: needs.elements ?? [:]))
    }
}
