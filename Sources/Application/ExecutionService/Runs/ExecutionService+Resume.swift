// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import Provenance
import Storage
package import WorkflowModel

extension ExecutionService {
    /// Queues another attempt of a run that failed or was cancelled, which processes only what no attempt has processed to its end.
    package func resume(_ id: RunID, by principal: Principal) async throws(Problem) -> Run {
        let before = try await run(id, for: principal)
        try before.resources.needs.checkPriority(by: principal)
        try await supervisor.checkFits(before.resources, owner: before.owner)
        _ = try await resume(before, dryRun: false)
        supervisor.nudge()
        return try await run(id, for: principal)
    }

    /// The items that ``resume(_:by:)`` would have processed, and why.
    package func planResume(_ id: RunID, by principal: Principal) async throws(Problem) -> ResumePlan {
        try await resume(try await run(id, for: principal), dryRun: true)
    }

    private func resume(_ run: Run, dryRun: Bool) async throws(Problem) -> ResumePlan {
        let outcome = try await stored {
            do {
                if run.state.isFinal { try await readRecords(of: run) }
            } catch let error as FileError {
                throw Problem(.unavailable, "What the last attempt of \(run.id) recorded cannot be read: \(error).")
            }
            let document = try await storage.document(run.id)
            let checkpoint: Checkpoint? = if let document { try await lastCheckpoint(of: run, document) } else { nil }
            return try await storage.resume(run.id, checkpoint: checkpoint, at: Date(), dryRun: dryRun)
        }
        switch outcome {
        case .resumed(let plan): return plan
        case .notRetriable(let state):
            throw Problem(.conflict, "\(run.id) is \(state.rawValue); only a run that failed or was cancelled can be resumed.")
        case .refused(let attempt, let obstacles):
            let elements = obstacles.map(\.element).joined(separator: ", ")
            throw Problem(
                .conflict,
                "\(run.id) cannot be resumed: what \(elements) kept in memory was lost with attempt \(attempt). "
                    + "`weft run retry \(run.id)` processes all items again. For later runs, define snapshot() and restore(state) in the PE, or "
                    + "declare stateful = False where its calls do not depend on each other; and register the graph again.",
                errors: obstacles.map { .init($0.element, $0.detail) })
        }
    }

    /// The last checkpoint of the latest attempt that is whole, and whose records are all stored.
    private func lastCheckpoint(of run: Run, _ document: StoredDocument) async throws -> Checkpoint? {
        guard let graph = document.graph.graph, graph.checkpointInterval != nil, let attempt = run.attempts.last, let path = attempt.folder
        else { return nil }
        let folder = RunFolder(path: path).checkpoints
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let numbers = Checkpoint.complete(files: files, workers: document.plan.workers.count)
        let stored = numbers.isEmpty ? [:] : try await storage.segmentOffsets(run.id, attempt: attempt.number)
        return numbers.lazy.compactMap { Self.checkpoint($0, in: folder, graph, document.plan, stored) }.first
    }

    private static func checkpoint(
        _ number: UInt32, in folder: String, _ graph: WorkflowGraph, _ plan: Plan, _ stored: [Int: SegmentPosition]
    ) -> Checkpoint? {
        func content(_ file: Checkpoint.File) -> Data? { FileManager.default.contents(atPath: "\(folder)/\(file.name)") }
        var items: [String: Int] = [:]
        for (worker, place) in plan.workers.enumerated() {
            let elements = plan.stages[place.stage].elements.map { (index: $0, graph.elements[$0]) }
            guard let bytes = content(.part(number, worker: worker)), let part = try? WireJSON.decode(CheckpointPart.self, from: bytes),
                part.segment <= stored[place.rank]?.offset ?? 0
            else { return nil }
            if elements.contains(where: { $0.1.snapshotEvery != nil }), content(.state(number, worker: worker))?.isEmpty ?? true {
                return nil
            }
            if place.replica == 0, let source = elements.first(where: { graph.sources.contains($0.index) }) {
                items[source.1.id] = part.items
            }
        }
        return items.count == graph.sources.count ? Checkpoint(folder: folder, number: number, items: items) : nil
    }

    /// Reads what the ranks of the latest attempt left behind to its end, or as far as it is sound: what is not known to have been
    /// processed is processed again, and the results of it must not come in later.
    private func readRecords(of run: Run) async throws {
        guard let attempt = run.attempts.last, let path = attempt.folder, let ranks = run.plan?.ranks else { return }
        let offsets = try await storage.segmentOffsets(run.id, attempt: attempt.number)
        for rank in 0..<ranks {
            let position = offsets[rank]
            var tail = SegmentTail(
                run: run.id, attempt: attempt.number, rank: rank, path: RunFolder(path: path).segment(rank: rank),
                offset: position?.offset ?? 0, ended: position?.ended ?? false)
            do {
                while try await tail.advance(into: storage) {}
            } catch is SegmentError {
                continue
            }
        }
    }
}
