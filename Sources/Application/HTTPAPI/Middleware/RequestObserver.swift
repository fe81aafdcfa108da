// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import Logging
import Metrics
import Telemetry

/// Gives each request an id, a line in the log when it is done, and its place in the metrics.
struct RequestObserver: RouterMiddleware {
    typealias Context = APIContext

    private static let activeRequests = "http_server_active_requests"
    fileprivate static let requests = "http_server_requests_total"
    fileprivate static let duration = "http_server_request_duration_seconds"

    static func describe(in registry: PrometheusRegistry) {
        registry.describe(activeRequests, help: "Requests under way, event streams included.")
        registry.describe(requests, help: "Requests answered.")
        registry.describe(duration, help: "Time from a request's head to the end of its answer, in seconds.")
    }

    private let active = Meter(label: activeRequests)

    func handle(_ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response) async throws
        -> Response
    {
        let id = request.headers[.requestID].flatMap(Self.accepted) ?? Self.makeID()
        var context = context
        // In place of Hummingbird's own, which a client never sees.
        context.logger[metadataKey: "hb.request.id"] = nil
        context.logger[metadataKey: "request_id"] = "\(id)"
        let observation = Observation(request: request, context: context, active: active)
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            observation.end(status: 499)
            throw error
        }
        response.headers[.requestID] = id
        let status = response.status.code
        if response.body.contentLength == nil {
            // A stream is done when its body is.
            let body = response.body
            response.body = ResponseBody { writer in
                defer { observation.end(status: status) }
                try await body.write(writer)
            }
        } else {
            observation.end(status: status)
        }
        return response
    }

    /// An id from the client, when it is fit for logs.
    private static func accepted(_ id: String) -> String? {
        let fit = id.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        return fit && (1...128).contains(id.utf8.count) ? id : nil
    }

    private static func makeID() -> String { "req_" + String(UInt64.random(in: .min ... .max), radix: 36) }
}

/// One request under way.
private struct Observation: Sendable {
    let request: Request
    let context: APIContext
    let active: Meter
    let start = ContinuousClock.now

    init(request: Request, context: APIContext, active: Meter) {
        self.request = request
        self.context = context
        self.active = active
        active.increment()
    }

    func end(status: Int) {
        active.decrement()
        let seconds = start.duration(to: .now) / .seconds(1)
        let route = context.endpointPath.flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "unmatched"
        let method = Self.known.contains(request.method) ? request.method.rawValue : "other"
        let dimensions = [("method", method), ("route", route)]
        Counter(label: RequestObserver.requests, dimensions: dimensions + [("status", "\(status)")]).increment()
        Recorder(label: RequestObserver.duration, dimensions: dimensions).record(seconds)
        var metadata: Logger.Metadata = [
            "method": "\(method)", "route": "\(route)", "status": "\(status)", "seconds": "\((seconds * 1e6).rounded() / 1e6)",
        ]
        if let caller = context.caller.label { metadata["principal"] = "\(caller)" }
        context.logger.log(level: Self.probes.contains(route) ? .debug : .info, "request", metadata: metadata)
    }

    private static let known: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .patch, .delete, .options]
    /// Asked every few seconds by machines.
    private static let probes: Set = ["/livez", "/readyz", "/metrics"]
}
