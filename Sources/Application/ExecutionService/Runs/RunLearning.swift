// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import Provenance
import Storage
import WorkflowModel

/// What a run that succeeded has cost, from what its ranks recorded: later runs are planned by it.
enum RunLearning {
    /// All that the ranks wrote has been read.
    ///
    /// - Parameters:
    ///   - end: of the ranks.
    ///   - placing: of the backend. Where the engine has a queue, waiting there is no part of the run time.
    static func learn(
        _ launch: Launch, _ document: StoredDocument, end: Date, nodes: [ClusterNode], placing: BackendCapabilities.Placing,
        _ storage: Storage
    ) async throws {
        // Part of an input tells nothing of the whole.
        guard let graph = document.graph.graph, document.replayed == nil, document.restored == nil else { return }
        let measured = try await storage.measured(launch.run, attempt: launch.attempt)
        let start = if case .weft = placing { measured.startedAt } else { measured.begunAt }
        guard let start else { return }
        let cost = cost(launch, graph, document, measured, start..<max(start, end), nodes: nodes)
        let kinds = Dictionary(graph.elements.map { ($0.id, $0.kind) }, uniquingKeysWith: { first, _ in first })
        ServiceMetrics.count(try await storage.store(cost, kinds: kinds))
    }

    static func cost(
        _ launch: Launch, _ graph: WorkflowGraph, _ document: StoredDocument, _ measured: MeasuredAttempt, _ time: Range<Date>,
        nodes: [ClusterNode]
    ) -> RunCost {
        let plan = document.plan
        var elements: [String: ElementCost] = [:]
        for (index, element) in graph.elements.enumerated() {
            let first = plan.firstInstances[index]
            let profiles = (first..<first + plan.instanceCount(ofElement: index)).compactMap { measured.profiles[$0] }
            if !profiles.isEmpty { elements[element.id] = ElementCost(of: element, profiles) }
        }
        let seconds = time.upperBound.timeIntervalSince(time.lowerBound)
        // Clocks of nodes differ.
        let ready = min(seconds, max(0, measured.readyAt?.timeIntervalSince(time.lowerBound) ?? 0))
        let ended = min(seconds, max(ready, measured.endedAt?.timeIntervalSince(time.lowerBound) ?? seconds))
        return RunCost(
            run: launch.run, graph: document.graph.reference, nodeClass: nodeClass(of: launch.nodes, nodes), ranks: plan.ranks,
            features: InputFeatures(of: document.inputs),
            startUp: ready, ending: seconds - ended, seconds: seconds,
            memoryPerRank: measured.memory.values.max().map { Double($0) / 1_048_576 },
            load: plan.load(Costs(elements: elements), of: graph), workersPerRank: plan.workersPerRank, elements: elements)
    }

    /// The class of all nodes that the run has, or may have (`shares` nil); `nil` where they differ.
    static func nodeClass(of shares: [NodeShare]?, _ nodes: [ClusterNode]) -> String? {
        let names = shares.map { Set($0.map(\.node)) }
        let classes = Set(nodes.filter { names?.contains($0.name) ?? true }.map(\.nodeClass.name))
        return classes.count == 1 ? classes.first : nil
    }
}
