// SPDX-License-Identifier: Apache-2.0

import ExecutionService
import HTTPTypes
import Hummingbird
import ServiceLifecycle
import WorkflowModel

/// Follows a run until it ends, its reader goes away, or the server stops.
struct RunStream: Sendable {
    enum Progress: Sendable { case following, ended }

    let service: ExecutionService
    let run: RunID

    /// What is done at once and after every change, with a state that it keeps. A step that finds the database away is
    /// tried again.
    typealias Step<State> = @concurrent @Sendable (inout State, inout Sink) async throws -> Progress

    func response<State: Sendable>(as format: Format, from start: State, step: @escaping Step<State>) -> Response {
        Response(
            status: .ok, headers: format.headers,
            body: ResponseBody { writer in
                let changes = service.changes(of: run)
                var sink = Sink(writer: writer)
                var state = start
                if format == .events { try await sink.write(ServerSentEvent.retry) }
                if try await advance(&state, &sink, step) == .following {
                    for await _ in changes.cancelOnGracefulShutdown() {
                        if try await advance(&state, &sink, step) == .ended { break }
                        if format == .events { try await sink.keepAlive() }
                    }
                }
                try await writer.finish(nil)
            })
    }

    @concurrent private func advance<State>(_ state: inout State, _ sink: inout Sink, _ step: Step<State>) async throws -> Progress {
        do {
            return try await step(&state, &sink)
        } catch let problem as Problem where problem.kind == .unavailable {
            return .following
        } catch is Problem {
            return .ended
        }
    }

    enum Format {
        case events, plain

        var headers: HTTPFields {
            [
                .contentType: self == .events ? "text/event-stream" : "text/plain; charset=utf-8",
                .cacheControl: "no-store", .accelBuffering: "no",
            ]
        }
    }

    /// Where the steps write.
    struct Sink {
        fileprivate var writer: any ResponseBodyWriter
        private var lastWrite = ContinuousClock.now

        fileprivate init(writer: any ResponseBodyWriter) { self.writer = writer }

        @concurrent mutating func write(_ text: String) async throws {
            guard !text.isEmpty else { return }
            try await writer.write(ByteBuffer(string: text))
            lastWrite = .now
        }

        @concurrent mutating func send(_ event: ServerSentEvent) async throws { try await write(event.text) }

        /// Changes come at least every 10 s, so something is sent at least every 15 s.
        @concurrent fileprivate mutating func keepAlive() async throws {
            if lastWrite.duration(to: .now) > .seconds(5) { try await write(ServerSentEvent.heartbeat) }
        }
    }
}

/// Data of the last event of a stream.
struct StreamEnd: Encodable {
    var state: RunState

    var event: ServerSentEvent {
        get throws { ServerSentEvent(event: "end", data: String(decoding: try WireJSON.encode(self), as: UTF8.self)) }
    }
}
