// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTPClient
import WorkflowModel

/// Stays with a run until it ends.
struct RunFollowing: Sendable {
    var client: APIClient
    var run: RunID

    /// - Parameter changed: called with the run as it is, and whenever it has changed.
    func end(changed: (Run) throws -> Void = { _ in }) async throws -> Run {
        try await client.follow(["runs", run.description, "events"]) { event in
            if event.event == "run" { try changed(try WireJSON.decode(Run.self, from: event.data.utf8)) }
        }
        return try await client.get("runs", run.description)
    }

    func logs(rank: Int? = nil, attempt: Int? = nil, _ handle: (LogLine) throws -> Void) async throws {
        try await client.follow(["runs", run.description, "logs"], query: LogRendering.query(rank: rank, attempt: attempt)) { event in
            if event.event == "log" { try handle(try WireJSON.decode(LogLine.self, from: event.data.utf8)) }
        }
    }

    func timeoutSentence(_ seconds: Double?) -> String {
        "The run \(run) has not ended after \(Format.duration(seconds ?? 0)). It goes on: weft run wait \(run)"
    }

    /// Says how the run ended; the exit code says it too.
    func finish(_ ended: Run) throws {
        let terminal = Terminal.chatter
        StandardStreams.chatter(terminal.paint(RunRendering.ending(ended, now: Date()), ended.state.colour))
        if ended.state == .failed, let failure = ended.failure { StandardStreams.chatter("\n" + RunRendering.describe(failure, of: ended)) }
        let status = ExitStatus(endOf: ended.state)
        if status != .ok { throw SilentExit(status: status) }
    }
}
