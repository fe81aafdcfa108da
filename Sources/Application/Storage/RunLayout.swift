// SPDX-License-Identifier: Apache-2.0

import Postgres
import WorkflowModel

/// What is needed to name the PEs and ports of what the ranks recorded by numbers.
struct RunLayout {
    /// Key of the run's attempt.
    let attempt: Int64
    let number: Int
    let graph: WorkflowGraph
    let plan: Plan

    var elements: [ProcessElement] { graph.elements }

    func element(ofInstance instance: Int) -> ProcessElement? {
        plan.element(ofInstance: instance).flatMap { elements.indices.contains($0.element) ? elements[$0.element] : nil }
    }

    func rank(ofInstance instance: Int) -> Int? {
        guard let (element, replica) = plan.element(ofInstance: instance), let stage = plan.stage(ofElement: element),
            let worker = plan.worker(stage: stage, replica: replica)
        else { return nil }
        return plan.workers[worker].rank
    }

    func instances(ofElement element: Int) -> Range<Int> {
        let first = plan.firstInstances[element]
        return first..<first + plan.instanceCount(ofElement: element)
    }

    /// A PE that the plan does not know can only come from a segment that was written wrongly; it is shown by its number.
    func name(ofInstance instance: Int) -> String { element(ofInstance: instance)?.id ?? "instance \(instance)" }

    func inputPort(_ port: Int, ofInstance instance: Int) -> String {
        guard let inputs = element(ofInstance: instance)?.inputs, inputs.indices.contains(port) else { return "input \(port)" }
        return inputs[port].name
    }

    func outputPort(_ port: Int, ofInstance instance: Int) -> String {
        guard let outputs = element(ofInstance: instance)?.outputs, outputs.indices.contains(port) else { return "output \(port)" }
        return outputs[port]
    }
}

extension Connection {
    /// - Parameter attempt: `nil`: the latest.
    func layout(of run: RunID, attempt: Int?) throws -> RunLayout {
        let rows = try query(
            """
            SELECT attempt.id, attempt.number, run.plan, graph_version.graph FROM run
            JOIN attempt ON attempt.run = run.id AND attempt.number = coalesce($2, run.attempt)
            JOIN graph_version ON graph_version.id = run.graph_version WHERE run.public_id = $1
            """, [.uuid(run), .int(attempt)])
        guard let row = rows.first else { throw try missing(run, attempt: attempt) }
        return RunLayout(
            attempt: try row.value("id"), number: try row.value("number"),
            graph: try row.json("graph"), plan: try row.json("plan"))
    }

    /// - Returns: keys of the attempt.
    func attempt(_ number: Int?, of run: RunID) throws -> (id: Int64, number: Int) {
        let rows = try query(
            """
            SELECT attempt.id, attempt.number FROM run JOIN attempt ON attempt.run = run.id AND attempt.number = coalesce($2, run.attempt)
            WHERE run.public_id = $1
            """, [.uuid(run), .int(number)])
        guard let row = rows.first else { throw try missing(run, attempt: number) }
        return (try row.value("id"), try row.value("number"))
    }

    private func missing(_ run: RunID, attempt: Int?) throws -> StorageError {
        guard let attempt, try !query("SELECT 1 FROM run WHERE public_id = $1", [.uuid(run)]).isEmpty else { return .noRun(run) }
        return .noAttempt(run, attempt)
    }
}
