// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

extension RunState {
    var colour: Terminal.Colour? {
        switch self {
        case .succeeded: .green
        case .failed: .red
        case .cancelled, .cancelling: .yellow
        case .submitted, .queued: .grey
        case .starting, .running: nil
        }
    }
}

extension Run {
    /// A run that succeeded without all of its data says so, and one that goes on where an attempt broke off.
    var stateText: String {
        var notes: [String] = []
        if skipped > 0 { notes.append("\(skipped) \(skipped == 1 ? "datum" : "data") skipped") }
        if let resumed = attempts.last?.resumed { notes.append("resumed: \(Format.share(resumed))") }
        return notes.isEmpty ? state.rawValue : "\(state.rawValue) (\(notes.joined(separator: "; ")))"
    }
}

/// Runs as tables and paragraphs.
enum RunRendering {
    static func table(_ runs: [Run], now: Date) -> Table {
        var table = Table("RUN", "NAME", "GRAPH", "STATE", ">RANKS", "SUBMITTED", ">DURATION")
        for run in runs {
            table.append(
                Table.Cell(run.id.description), Table.Cell(run.name ?? "-"), Table.Cell(run.graph.description),
                Table.Cell(run.stateText, colour: run.state.colour), "\(run.resources.ranks)", "\(Format.time(run.submittedAt))",
                "\(Format.elapsed(run, now: now))")
        }
        return table
    }

    static func describe(_ run: Run, now: Date, terminal: Terminal) -> String {
        var fields = Fields()
        fields.add("run", run.id.description)
        fields.add("name", run.name)
        fields.add("graph", run.graph.description)
        fields.add("state", terminal.paint(run.stateText, run.state.colour), isPrintable: true)
        fields.add("waits for", run.pending.map { $0.reason + ($0.position.map { " (position \($0) in the queue)" } ?? "") })
        fields.add("should start", run.pending?.expectedStart.map { Format.time($0) })
        fields.add("19 of 20 times by", run.pending?.latestStart.map { Format.time($0) })
        fields.add("starts at the latest", run.pending?.promisedStart.map { Format.time($0) })
        fields.add("owner", run.owner)
        fields.add("resources", "\(Format.count(run.resources.ranks, "rank")), \(run.resources.memoryPerRank) MiB each")
        fields.add("needs", run.resources.needs.summary)
        fields.add("submitted", Format.time(run.submittedAt))
        fields.add("modules loaded", run.attempts.last?.modules?.joined(separator: " "))
        fields.add("inputs", run.inputs.map(inputs))
        fields.add("layout", run.plan.map { "\($0.layout.rawValue), \(Format.count($0.stages.count, "stage"))" })
        var text = fields.render()
        var attempts = Table("ATTEMPT", "STATE", "RESUMED", "QUEUED", "STARTED", ">DURATION", "NODES", "FOLDER")
        for attempt in run.attempts {
            let duration = attempt.startedAt.map { Format.duration((attempt.endedAt ?? now).timeIntervalSince($0)) }
            attempts.append(
                "\(attempt.number)", Table.Cell(attempt.state.rawValue, colour: attempt.state.colour),
                "\(attempt.resumed.map(Format.share) ?? "-")", "\(Format.time(attempt.queuedAt))",
                "\(Format.time(attempt.startedAt))", "\(duration ?? "-")", "\(attempt.nodes.map(nodes) ?? "-")",
                "\(attempt.folder ?? "-")")
        }
        if !run.attempts.isEmpty { text += "\n\n" + attempts.render(terminal) }
        if let failure = run.attempts.last?.failure { text += "\n\n" + describe(failure, of: run) }
        return text
    }

    private static func nodes(_ shares: [NodeShare]) -> String {
        Dictionary(shares.map { ($0.node, $0.ranks) }, uniquingKeysWith: +).sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }
            .joined(
                separator: " ")
    }

    private static func inputs(_ inputs: [String: SourceInput]) -> String {
        inputs.sorted { $0.key < $1.key }.map { "\($0.key) \(Format.count($0.value.itemCount, "item"))" }.joined(separator: ", ")
    }

    /// Why an attempt failed: what, where, with which datum, and the traceback as Python wrote it.
    static func describe(_ failure: FailureReport, of run: Run) -> String {
        // In full, as `prov trace` wants it.
        describe(failure, datum: failure.datum.map { DatumID($0) == nil ? $0 : "\(run.id).\(run.attempts.count).\($0)" })
    }

    static func describe(_ failure: FailureReport, datum: String?) -> String {
        var fields = Fields()
        fields.add("failure", failure.message)
        fields.add("cause", failure.cause.rawValue)
        fields.add("PE", failure.element.map { $0 + (failure.instance.map { " (instance \($0))" } ?? "") })
        fields.add("rank", failure.rank.map { "\($0)" + (failure.node.map { " on \($0)" } ?? "") } ?? failure.node.map { "on \($0)" })
        fields.add("datum", [datum, failure.datumSummary].compactMap { $0 }.joined(separator: "  "))
        fields.add("signal", failure.signal)
        fields.add("exit status", failure.exitStatus.map { "\($0)" })
        fields.add("when", Format.time(failure.at))
        guard var traceback = failure.traceback?.printableLines else { return fields.render() }
        while traceback.last == "\n" { traceback.removeLast() }
        return fields.render() + "\n\n" + traceback
    }

    /// What `wait` and `watch` say when a run has ended.
    static func ending(_ run: Run, now: Date) -> String {
        switch run.state {
        case .succeeded: "run \(run.id) \(run.stateText) in \(Format.elapsed(run, now: now))"
        case .failed: "run \(run.id) failed\(run.attempts.count > 1 ? " (attempt \(run.attempts.count))" : "")"
        case .cancelled: "run \(run.id) was cancelled"
        case .submitted, .queued, .starting, .running, .cancelling: "run \(run.id) is \(run.state.rawValue)"
        }
    }
}
