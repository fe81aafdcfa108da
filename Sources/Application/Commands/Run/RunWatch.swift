// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

struct RunWatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Shows a run's state and the counts of its PEs until it ends.",
        discussion: "On a terminal the view is redrawn; elsewhere each change of state is a line, and the counts come at the end.")

    @OptionGroup var argument: RunArgument

    @Option(help: ArgumentHelp("Watch no longer; the run goes on.", valueName: "seconds"))
    var timeout: Double?

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = try connection.client()
        let following = RunFollowing(client: client, run: try await client.runID(argument.run))
        let ended = try await withTimeout(timeout, following.timeoutSentence(timeout)) { try await Self.watch(following) }
        try following.finish(ended)
    }

    private enum News: Sendable {
        case run(Run)
        case counts(ProvenanceSummary)
        case ended(Run)
    }

    private static func watch(_ following: RunFollowing) async throws -> Run {
        // The newest state is what counts: a slow terminal skips the older ones.
        let (news, report) = AsyncThrowingStream.makeStream(of: News.self, bufferingPolicy: .bufferingNewest(64))
        let follower = Task {
            do {
                report.yield(.ended(try await following.end { report.yield(.run($0)) }))
                report.finish()
            } catch {
                report.finish(throwing: error)
            }
        }
        let counter = Task {
            while !Task.isCancelled {
                // Counts are an extra: what goes wrong with them, following the run tells better.
                if let counts = try? await following.counts() { report.yield(.counts(counts)) }
                try await Task.sleep(for: .seconds(1))
            }
        }
        defer {
            follower.cancel()
            counter.cancel()
        }
        var view = WatchView(terminal: .output)
        for try await item in news {
            switch item {
            case .run(let run): view.show(run)
            case .counts(let counts): view.show(counts)
            case .ended(let run):
                counter.cancel()
                view.finish(run, try? await following.counts())
                return run
            }
        }
        throw CancellationError()
    }
}

extension RunFollowing {
    fileprivate func counts() async throws -> ProvenanceSummary { try await client.get("runs", run.description, "provenance") }
}

/// Redraws the block of lines it drew last; where nothing can be redrawn, prints what changed.
private struct WatchView {
    let terminal: Terminal
    private var run: Run?
    private var counts: ProvenanceSummary?
    private var drawnLines = 0
    private var lastLine = ""

    init(terminal: Terminal) { self.terminal = terminal }

    mutating func show(_ run: Run) {
        self.run = run
        update()
    }

    mutating func show(_ counts: ProvenanceSummary) {
        self.counts = counts
        if terminal.redraws { update() }
    }

    mutating func finish(_ run: Run, _ counts: ProvenanceSummary?) {
        self.run = run
        self.counts = counts ?? self.counts
        update()
        if !terminal.redraws, let table { StandardStreams.output(table) }
    }

    private var heading: String {
        guard let run else { return "" }
        let waits = run.pending.map { ": \($0.reason)" + ($0.position.map { " (position \($0))" } ?? "") } ?? ""
        return "\(run.id)  \(run.graph)  \(terminal.paint(run.stateText, run.state.colour))\(waits.printable)"
    }

    private var table: String? { counts.flatMap { $0.elements.isEmpty ? nil : ProvenanceRendering.table($0).render(terminal) } }

    private mutating func update() {
        guard run != nil else { return }
        if terminal.redraws {
            let text = heading + "  " + (run.map { Format.elapsed($0, now: Date()) } ?? "") + (table.map { "\n" + $0 } ?? "") + "\n"
            StandardStreams.draw((drawnLines > 0 ? "\u{1B}[\(drawnLines)F\u{1B}[J" : "") + text)
            drawnLines = text.count { $0 == "\n" }
        } else if heading != lastLine {
            StandardStreams.output(heading)
            lastLine = heading
        }
    }
}
