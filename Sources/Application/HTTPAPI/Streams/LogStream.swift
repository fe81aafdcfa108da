// SPDX-License-Identifier: Apache-2.0

import ExecutionService
import HTTPTypes
import Hummingbird
import WorkflowModel

/// Which lines of a run's log are wanted.
struct LogQuery: Sendable {
    var attempt: Int?
    var rank: Int?
    /// Lines with a greater sequence number.
    var after: Int64
    var limit: Int

    init(_ query: Query) throws(Problem) {
        attempt = try query.integer("attempt", in: 1...Int(Int32.max))
        rank = try query.integer("rank", in: 0...Int(Int32.max))
        after = try query.integer("after", in: 0...Int64.max) ?? 0
        limit = try query.integer("limit", in: 1...10_000) ?? 1000
    }
}

extension Call {
    /// One page as JSON; or, when the client asks for text or events, all lines, and with `following` also those to come.
    func logs(_ id: RunID, for principal: Principal) async throws -> Response {
        var wanted = try LogQuery(query)
        let accept = request.headers[.accept] ?? ""
        if accept.contains("text/plain") {
            return try await streamLogs(id, wanted, as: .plain, following: query.flag("follow"), for: principal)
        }
        if try query.flag("follow") || accept.contains("text/event-stream") {
            if let last = request.headers[.lastEventID].flatMap(Int64.init) { wanted.after = max(wanted.after, last) }
            return try await streamLogs(id, wanted, as: .events, following: true, for: principal)
        }
        let lines = try await service.logs(
            id, attempt: wanted.attempt, rank: wanted.rank, after: wanted.after, limit: wanted.limit, for: principal)
        let next = lines.count == wanted.limit ? lines.last.map { "\($0.sequence)" } : nil
        return try list(Page(items: lines, next: next), cursor: "after")
    }

    private func streamLogs(
        _ id: RunID, _ wanted: LogQuery, as format: RunStream.Format, following: Bool, for principal: Principal
    ) async throws -> Response {
        _ = try await service.run(id, for: principal)
        return RunStream(service: service, run: id).response(as: format, from: wanted.after) { after, sink in
            // The state is read before the lines: what a run that has ended wrote is then read to its last line.
            let state = try await service.run(id, for: principal).state(ofAttempt: wanted.attempt)
            while true {
                let lines = try await service.logs(
                    id, attempt: wanted.attempt, rank: wanted.rank, after: after, limit: wanted.limit, for: principal)
                try await sink.write(try lines.map { try $0.text(as: format) }.joined())
                after = lines.last?.sequence ?? after
                if lines.count < wanted.limit { break }
            }
            guard state.isFinal || !following else { return .following }
            if format == .events { try await sink.send(StreamEnd(state: state).event) }
            return .ended
        }
    }
}

extension Run {
    fileprivate func state(ofAttempt number: Int?) -> RunState { attempts.first { $0.number == number }?.state ?? state }
}

extension LogLine {
    fileprivate func text(as format: RunStream.Format) throws -> String {
        switch format {
        case .events:
            ServerSentEvent(id: "\(sequence)", event: "log", data: String(decoding: try WireJSON.encode(self), as: UTF8.self)).text
        case .plain:
            "\(WireJSON.format(at)) rank \(rank) \(stream.rawValue)" + (element.map { " \($0)" } ?? "") + ": \(text)\n"
        }
    }
}
