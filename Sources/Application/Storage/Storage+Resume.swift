// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import Postgres
import Provenance
package import WorkflowModel

package enum ResumeOutcome: Sendable, Equatable {
    /// The attempt is queued; of a dry run, could be.
    case resumed(ResumePlan)
    /// The run is in a state from which none goes on.
    case notRetriable(RunState)
    case refused(attempt: Int, [ResumeObstacle])
}

/// A PE whose state was lost with the attempt.
package struct ResumeObstacle: Sendable, Equatable {
    /// Id of the PE.
    package var element: String
    /// What follows on the PE's name.
    package var detail: String

    package init(element: String, detail: String) {
        self.element = element
        self.detail = detail
    }
}

extension Storage {
    /// Adds an attempt to a run that failed or was cancelled, which processes only the items that the latest attempt, and those
    /// that it resumed, did not process to their end; and queues it.
    ///
    /// All that the latest attempt recorded has to be stored before.
    ///
    /// Its results, and its skipped data, count further where they came of items that were processed to their end. What
    /// `preprocess` and `postprocess` wrote is left to the new attempt, which calls them again.
    ///
    /// Of a graph with PEs that give snapshots the attempt goes on from a checkpoint, or from the one that the latest attempt went
    /// on from itself, or anew. What `preprocess` wrote is part of a checkpoint.
    ///
    /// - Parameter checkpoint: the last whole one of the latest attempt.
    package func resume(_ run: RunID, checkpoint: Checkpoint?, at time: Date, dryRun: Bool) async throws -> ResumeOutcome {
        try await pool.transaction(.repeatableRead) { connection in
            let (_, state) = try connection.lock(run)
            guard state.isFinal, state.mayBecome(.queued) else { return .notRetriable(state) }
            try connection.preferIndexes()
            let layout = try connection.layout(of: run, attempt: nil)
            let obstacles = try connection.obstacles(layout)
            guard obstacles.isEmpty else { return .refused(attempt: layout.number, obstacles) }
            let given = try connection.givenItems(layout)
            var kept = KeptSearch(layout, includesPreprocess: checkpoint != nil)
            let parts: [ResumePlan.Part]
            if layout.graph.checkpointInterval != nil {
                parts = layout.parts(after: checkpoint, given: given)
                for (source, count) in checkpoint?.items ?? [:] { kept.add(first: count, ofSource: source, given: given) }
            } else {
                let incomplete = try connection.incompleteItems(layout, given: given)
                parts = incomplete.flatMap(\.parts)
                for items in incomplete { kept.add(items, given: given) }
            }
            let plan = ResumePlan(run: run, attempt: layout.number, of: try connection.itemCount(of: run), parts: parts)
            guard !dryRun else { return .resumed(plan) }

            for element in try layout.upstreamFirst() { try kept.look(at: element, connection) }
            try connection.supersedeResults(of: layout.attempt, allBut: &kept.data)
            let skipped = try connection.skipped(in: layout.attempt, dataIn: &kept.data)
            let restored = try checkpoint.map { RestoredState(folder: $0.folder, checkpoint: $0.number) } ?? connection.restored(layout)
            try connection.queueAttempt(of: run, at: time, plan, restored: restored, skipped: skipped)
            return .resumed(plan)
        }
    }
}

/// Looks downstream for what came of items that were processed to their end, one element after the other.
private struct KeptSearch {
    private let layout: RunLayout
    private let includesPreprocess: Bool
    /// Of the items, and of what the instances that have been looked at wrote in `process`.
    var data = NumberSet()

    init(_ layout: RunLayout, includesPreprocess: Bool) {
        self.layout = layout
        self.includesPreprocess = includesPreprocess
    }

    mutating func add(first count: Int, ofSource element: String, given: GivenItems) {
        guard let index = layout.graph.index(of: element), let instance = layout.instances(ofElement: index).first else { return }
        let base = DatumID(inputOf: instance, sequence: 0).rawValue
        for items in given.first(count, ofSource: element) where !items.isEmpty {
            data.insert(base + UInt64(items.lowerBound)...base + UInt64(items.upperBound - 1))
        }
    }

    mutating func add(_ items: IncompleteItems, given: GivenItems) {
        var all = given.data(ofSource: items.element, instance: items.instance)
        let first = DatumID(inputOf: items.instance, sequence: 0).rawValue
        var rest = items.items.reduce(into: NumberSet()) { $0.insert($1.moved(by: first)) }
        for span in all.subtracting(&rest) { data.insert(span) }
    }

    mutating func look(at element: Int, _ connection: Connection) throws {
        for instance in layout.instances(ofElement: element) {
            let own = DatumID(instance: instance, sequence: 0).ofSameInstance
            var calls = NumberSet()
            if includesPreprocess {
                for sequence in try connection.calls(.preprocess, of: instance, layout.attempt) { calls.insert(sequence...sequence) }
            }
            try connection.forEachCalls(of: instance, layout.attempt) { run in
                guard run.endedWell else { return }
                run.inputs.forEachPosition(count: run.sequences.length, in: &data) {
                    calls.insert($0.moved(by: run.sequences.lowerBound))
                }
            }
            var written = NumberSet()
            try connection.forEachData(own, layout.attempt) { run in
                run.writers.forEachPosition(count: run.span.length, in: &calls) { written.insert($0.moved(by: run.span.lowerBound)) }
            }
            var lost = NumberSet()
            try connection.forEachDerivation(own, layout.attempt) { datum, source in
                if !data.contains(source) { lost.insert(datum...datum) }
            }
            for span in written.subtracting(&lost) { data.insert(span) }
        }
    }
}

extension GivenItems {
    fileprivate func first(_ count: Int, ofSource element: String) -> [Range<Int>] { split(count, element).before }
    fileprivate func after(_ count: Int, ofSource element: String) -> [Range<Int>] { split(count, element).after }

    private func split(_ count: Int, _ element: String) -> (before: [Range<Int>], after: [Range<Int>]) {
        var (before, after, left): ([Range<Int>], [Range<Int>], Int) = ([], [], count)
        for range in self[element] ?? [] {
            before.append(range.prefix(left))
            after.append(range.dropFirst(left))
            left -= Swift.min(left, range.count)
        }
        return (before, after.filter { !$0.isEmpty })
    }
}

extension RunLayout {
    /// The items that come after the checkpoint, or all.
    fileprivate func parts(after checkpoint: Checkpoint?, given: GivenItems) -> [ResumePlan.Part] {
        graph.sources.compactMap { source in
            let id = elements[source].id
            let ranges = given.after(checkpoint?.items[id] ?? 0, ofSource: id).map { ItemRange(first: $0.lowerBound, count: $0.count) }
            let reason =
                checkpoint.map { "what PEs keep was saved before, at checkpoint \($0.number)" }
                ?? "attempt \(number) came to no checkpoint at which what PEs keep was saved"
            return ranges.isEmpty ? nil : ResumePlan.Part(source: id, ranges: ranges, reason: reason)
        }
    }
}

extension Connection {
    fileprivate func restored(_ layout: RunLayout) throws -> RestoredState? {
        try query("SELECT restored FROM attempt WHERE id = $1", [.int(layout.attempt)]).first?.optionalJSON("restored")
    }

    fileprivate func obstacles(_ layout: RunLayout) throws -> [ResumeObstacle] {
        let states = try observedStates(layout)
        return layout.elements.enumerated().compactMap { index, element in
            element.obstacleToResuming(states[index] ?? ObservedState()).map { ResumeObstacle(element: element.id, detail: $0) }
        }
    }

    /// By element, of those that do not declare their state.
    private func observedStates(_ layout: RunLayout) throws -> [Int: ObservedState] {
        let instances = layout.elements.indices.filter { layout.elements[$0].stateful == nil }.flatMap(layout.instances(ofElement:))
        let rows = try query(
            """
            SELECT wanted.instance, to_json(profile.changed)::text AS changed,
                EXISTS (SELECT FROM invocation WHERE attempt = $1 AND instance = wanted.instance AND kind = 0)
                OR EXISTS (SELECT FROM invocation_run WHERE attempt = $1 AND instance = wanted.instance) AS called,
                EXISTS (
                    SELECT FROM \(RecordedLinks.postprocess(ofInstance: "wanted.instance")) AS call
                    CROSS JOIN LATERAL \(RecordedLinks.data(ofInstance: "call.instance", sequence: "call.sequence")) AS written
                ) AS wrote
            FROM unnest($2::integer[]) AS wanted (instance)
            LEFT JOIN instance_profile AS profile ON profile.attempt = $1 AND profile.instance = wanted.instance
            """, [.int(layout.attempt), .ints(instances.map { Int64($0) }), .int(0)])
        return try rows.reduce(into: [:]) { states, row in
            guard let (element, _) = layout.plan.element(ofInstance: try row.value("instance")) else { return }
            let changed: [String]? = try row.optionalJSON("changed")
            states[element, default: ObservedState()].changed.formUnion(changed ?? [])
            if try changed == nil && row.value("called") { states[element, default: ObservedState()].isUnknown = true }
            if try row.value("wrote") { states[element, default: ObservedState()].wroteInPostprocess = true }
        }
    }

    fileprivate func itemCount(of run: RunID) throws -> Int {
        let rows = try query("SELECT inputs FROM run WHERE public_id = $1", [.uuid(run)])
        let inputs: [String: SourceInput] = try rows.first?.json("inputs") ?? [:]
        return inputs.values.reduce(0) { $0 + $1.itemCount }
    }

    fileprivate func supersedeResults(of attempt: Int64, allBut kept: inout NumberSet) throws {
        var superseded: [Int64] = []
        func store() throws {
            try query("INSERT INTO superseded_result SELECT unnest($1::bigint[])", [.ints(superseded)])
            superseded.removeAll()
        }
        try stream("result", "SELECT id, datum FROM run_result WHERE attempt = \(attempt)") { row in
            if !kept.contains(try row.datumID("datum").rawValue) { superseded.append(try row.value("id")) }
            if superseded.count == 10_000 { try store() }
        }
        try store()
    }

    /// How many data were skipped by the attempts that the new one resumes, without those that it is given again.
    fileprivate func skipped(in attempt: Int64, dataIn kept: inout NumberSet) throws -> Int64 {
        let rows = try query("SELECT skipped FROM attempt WHERE id = $1", [.int(attempt)])
        var skipped: Int64 = try rows.first?.value("skipped") ?? 0
        try stream("skipped", "SELECT input FROM invocation WHERE attempt = \(attempt) AND outcome = 2 AND input IS NOT NULL") { row in
            if !kept.contains(try row.datumID("input").rawValue) { skipped -= 1 }
        }
        return skipped
    }
}
