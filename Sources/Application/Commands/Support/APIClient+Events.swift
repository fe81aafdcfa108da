// SPDX-License-Identifier: Apache-2.0

import HTTPClient

extension APIClient {
    /// Follows a stream of server-sent events until its `end`. A lost connection is made anew, from the event after the last
    /// one that came.
    func follow(_ path: [String], query: Query = [], _ handle: (ServerSentEvent) throws -> Void) async throws {
        var reconnection = Reconnection()
        var lastEventID: String?
        while true {
            var failure = "the server ended the stream"
            do {
                if try await read(path, query, &lastEventID, &reconnection, handle) { return }
            } catch let error as HTTPClientError where error != .cancelled {
                failure = "\(error)"
            }
            switch reconnection.lost(at: .now) {
            case .retry(let delay): try await Task.sleep(for: delay)
            case .giveUp:
                throw CommandFailure(
                    "The connection to \(server) is lost (\(failure)), and it did not come back in \(Reconnection.patience.components.seconds) s. "
                        + "A run goes on without it: try again when the server is up.")
            }
        }
    }

    /// - Returns: whether the stream came to its `end`.
    private func read(
        _ path: [String], _ query: Query, _ lastEventID: inout String?, _ reconnection: inout Reconnection,
        _ handle: (ServerSentEvent) throws -> Void
    ) async throws -> Bool {
        var request = try await request("GET", path, query: query, accept: "text/event-stream")
        request.headers["Last-Event-ID"] = lastEventID
        let response = try await http.stream(request)
        guard response.status == 200 else {
            let body = try await response.body.collect(upTo: request.maximumBodyBytes)
            // A server that is starting or stopping, or a proxy without one behind it, is waited for.
            if (502...504).contains(response.status) { return false }
            throw problem(status: response.status, body: body)
        }
        var parser = ServerSentEventParser()
        for try await bytes in response.body {
            reconnection.heard()
            for event in try parser.append(bytes) {
                if event.event == "end" { return true }
                try handle(event)
                if let id = event.id { lastEventID = id }
            }
        }
        return false
    }
}
