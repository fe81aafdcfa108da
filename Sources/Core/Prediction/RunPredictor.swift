// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// What a run will take, by what runs that ended have taken: of each PE the calls, their time and what they write; of the run its
/// start-up, run time and memory.
///
/// Nearest runs count, and only they: of a PE those with the same code and parameters on the same class of nodes, else on any, else
/// the PE of that id in the same graph; of the run those of the same version of the graph on that class, on any, of any version;
/// else the user's runs; else only the limit is known.
///
/// A run takes time to start and to end, and between them one that grows with what its busiest rank has to do (``Plan/load(_:of:)``). So a run is foretold
/// for numbers of ranks that nobody has tried.
package struct RunPredictor: Sendable {
    /// The number that the run time is taken as a function of.
    private static let load = "load"
    private static let workers = "workers_per_rank"

    private let graph: WorkflowGraph
    private let features: [String: Double]
    /// Seconds that the run may take.
    private let limit: Double?
    private let past: (runs: [RunCost], basis: Prediction.Basis)?
    private let user: [PastTime]
    /// By run: the part of its work that was foretold.
    private let foretold: [RunID: Double]
    /// Of the PEs, as far as they are known.
    package let elements: [Prediction]
    /// What the whole run will cost; `nil` where nothing is known of any PE.
    package let costs: Costs?

    /// - Parameter nodeClass: that it will run on; `nil`: any.
    package init(
        _ experience: Experience, of graph: WorkflowGraph, as reference: Reference, features: InputFeatures, nodeClass: String?,
        limit: Int?
    ) {
        self.graph = graph
        self.features = features.values
        self.limit = limit.map(Double.init)
        user = experience.users
        past = Self.first([
            (.sameOnClass, experience.runs.filter { $0.graph == reference && $0.nodeClass == nodeClass && nodeClass != nil }),
            (.same, experience.runs.filter { $0.graph == reference }), (.graph, experience.runs),
        ])
        var predictions: [Prediction] = []
        var costs: [String: ElementCost] = [:]
        var work: [RunID: (foretold: Double, done: Double)] = [:]
        for element in graph.elements {
            guard let model = ElementModel(element, of: reference, experience, features.values, nodeClass) else { continue }
            costs[element.id] = model.cost
            predictions += model.predictions
            for (run, foretold, done) in model.work {
                let sum = work[run] ?? (0, 0)
                work[run] = (sum.foretold + foretold, sum.done + done)
            }
        }
        foretold = work.compactMapValues { $0.foretold > 0 && $0.done > 0 ? $0.foretold / $0.done : nil }
        elements = predictions
        self.costs = costs.isEmpty || graph.application != nil ? nil : Costs(elements: costs)
    }

    /// - Parameters:
    ///   - plan: how the run is laid out.
    ///   - comparable: with those of plans on other numbers of ranks: no run is nearer to one of them than to another.
    /// - Returns: nothing where nothing is known, and no limit given.
    package func predictions(of plan: Plan, comparable: Bool = false) -> [Prediction] {
        guard let past else { return known(ofUser: user) }
        let onAsMany = past.runs.filter { $0.ranks == plan.ranks }
        let isAlike = !comparable && onAsMany.count >= Trend.telling
        let (runs, basis) = (Array((isAlike ? onAsMany : past.runs).prefix(Trend.depth)), past.basis)
        var target = features
        if let costs { target[Self.load] = plan.load(costs, of: graph) }
        // What an input tells of the run time by itself, it tells of runs on as many ranks only.
        if !isAlike, costs != nil { target = target.filter { $0.key == Self.load } }
        let startUp = Trend(runs.map { .init(features: [:], value: $0.startUp) }, for: [:], .constant)
        let fixed = Trend(runs.map { .init(features: [:], value: $0.startUp + $0.ending) }, for: [:], .constant)
        let work = Trend(
            runs.map { run in
                func places(_ load: Double) -> [String: Double] { run.features.values.merging([Self.load: load]) { $1 } }
                // The load that was to be expected is another than it came to: that error is one of the run time, too.
                return .init(
                    features: places(run.load), value: max(0, run.seconds - run.startUp - run.ending),
                    beforehand: places(run.load * (foretold[run.run] ?? 1)))
            }, for: target,
            .proportional(to: costs == nil ? InputFeatures.items : Self.load))
        var predictions: [Prediction] = []
        let ids = runs.map(\.run)
        if let startUp, let fixed, let work {
            func time(_ quantile: Double) -> Double { fixed.value([:], quantile: quantile) + work.value(target, quantile: quantile) }
            predictions.append(prediction(.runTime, basis, ids, limited: true, time))
            predictions.append(prediction(.startUp, basis, ids) { startUp.value([:], quantile: $0) })
        }
        let measured = runs.filter { $0.memoryPerRank != nil }
        let alike = measured.filter { $0.ranks == plan.ranks && $0.workersPerRank == plan.workersPerRank }
        let near = alike.isEmpty ? measured : alike
        target = features.merging([Self.workers: Double(plan.workersPerRank)]) { $1 }
        let memory = Trend(
            near.map {
                let places = $0.features.values.merging([Self.workers: Double($0.workersPerRank)]) { $1 }
                return .init(features: places, value: $0.memoryPerRank ?? 0)
            }, for: target, .constant)
        if let memory {
            predictions.append(prediction(.memoryPerRank, basis, near.map(\.run)) { memory.value(target, quantile: $0) })
        }
        return predictions
    }

    private func known(ofUser user: [PastTime]) -> [Prediction] {
        if let times = Trend(user.map { .init(features: [:], value: $0.seconds) }, for: [:], .constant) {
            return [prediction(.runTime, .user, user.prefix(Trend.depth).map(\.run), limited: true) { times.value([:], quantile: $0) }]
        }
        return limit.map { limit in [prediction(.runTime, .limit, []) { _ in limit }] } ?? []
    }

    private func prediction(
        _ kind: Prediction.Kind, _ basis: Prediction.Basis, _ runs: [RunID], limited: Bool = false, _ value: (Double) -> Double
    ) -> Prediction {
        func bounded(_ quantile: Double) -> Double { limited ? min(limit ?? .infinity, value(quantile)) : value(quantile) }
        return Prediction(kind, basis: basis, runs: runs, bounded)
    }

    static func first<Past>(_ rungs: [(Prediction.Basis, [Past])]) -> (runs: [Past], basis: Prediction.Basis)? {
        rungs.first { !$0.1.isEmpty }.map { ($0.1, $0.0) }
    }
}

/// What one PE will cost.
private struct ElementModel {
    let cost: ElementCost
    let predictions: [Prediction]
    /// Seconds in runs of the same graph, as the others foretell them and as they were.
    let work: [(run: RunID, foretold: Double, done: Double)]

    init?(
        _ element: ProcessElement, of reference: Reference, _ experience: Experience, _ features: [String: Double], _ nodeClass: String?
    ) {
        let kind = element.kind
        func isHere(_ past: PastElement) -> Bool {
            past.id == element.id && past.graph.namespace == reference.namespace && past.graph.name == reference.name
        }
        let same = experience.elements.filter { $0.kind == kind }
        guard
            let (nearest, basis) = RunPredictor.first([
                (.sameOnClass, same.filter { $0.nodeClass == nodeClass && nodeClass != nil }), (.same, same),
                (.graph, experience.elements.filter(isHere)),
            ])
        else { return nil }
        // How often it is called follows from its place in the graph.
        let here = nearest.filter(isHere)
        let past = (here.isEmpty ? nearest : here).prefix(Trend.depth)
        func trend(_ assumption: Trend.Assumption, _ value: (ElementCost) -> Double) -> Trend? {
            Trend(past.map { .init(features: $0.features.values, value: value($0.cost)) }, for: features, assumption)
        }
        let perItem = Trend.Assumption.proportional(to: InputFeatures.items)
        let growing = Trend.Assumption.proportional(
            to: past.first.map { InputFeatures(features).likeliest(since: $0.features) } ?? InputFeatures.items)
        let isPerItem = past.allSatisfy { Double($0.cost.calls) == $0.features.values[InputFeatures.items] }
        guard let calls = trend(isPerItem ? perItem : growing, { Double($0.calls) }), let written = trend(growing, { Double($0.itemsOut) }),
            let busy = trend(growing, { Double($0.calls) * $0.secondsPerCall })
        else { return nil }
        let count = calls.value(features, quantile: 0.5)
        work =
            here.isEmpty || past.count < Trend.telling
            ? [] : zip(past, busy.foretold).map { ($0.run, max(0, $1), Double($0.cost.calls) * $0.cost.secondsPerCall) }
        let runs = past.map(\.run)
        let changed = Set(past.flatMap { $0.cost.changed ?? [] })
        cost = ElementCost(
            calls: Int(count.rounded()), itemsOut: Int(written.value(features, quantile: 0.5).rounded()),
            secondsPerCall: count >= 0.5 ? busy.value(features, quantile: 0.5) / count.rounded() : 0,
            stateful: past.contains { $0.cost.stateful }, changed: changed.isEmpty ? nil : changed.sorted())
        var predictions = [
            Prediction(.calls, element: element.id, basis: basis, runs: runs) { calls.value(features, quantile: $0) }
        ]
        if count >= 0.5 {
            predictions += [
                Prediction(.secondsPerCall, element: element.id, basis: basis, runs: runs) { busy.value(features, quantile: $0) / count },
                Prediction(.fanOut, element: element.id, basis: basis, runs: runs) { written.value(features, quantile: $0) / count },
            ]
        }
        self.predictions = predictions
    }
}

extension Prediction {
    fileprivate init(_ kind: Kind, element: String? = nil, basis: Basis, runs: [RunID], _ value: (Double) -> Double) {
        let p50 = value(0.5)
        let p90 = max(p50, value(0.9))
        self.init(
            kind, element: element, p50: p50, p90: p90, p95: max(p90, value(0.95)), basis: basis,
            model: "\(Fingerprint(([basis.rawValue] + runs.map(\.description)).joined(separator: " ").utf8))", runs: runs)
    }
}
