// SPDX-License-Identifier: Apache-2.0

import ExecutionService
import HTTPTypes
import Hummingbird
import WorkflowModel

extension Route {
    /// Graphs, PEs and the environments they run in.
    static let registry: [Route] = [
        .restricted(.post, "/graphs", .submitting) { call, principal in
            let (graph, created) = try await call.service.registerGraph(try await call.body(), by: principal)
            return try call.created(graph, at: "/graphs/\(graph.reference)", status: created ? .created : .ok)
        },
        .restricted(.get, "/graphs", .reading, query: ["search", "name", "page_size", "cursor"]) { call, _ in
            let name = try call.query.reference("name")
            return try await call.list(call.service.graphs(search: call.query.text("search"), name: name, page: call.page()))
        },
        .restricted(.get, "/graphs/{namespace}/{name}", .reading) { call, _ in
            try await call.entity(call.service.graph(call.reference()))
        },
        .restricted(.get, "/graphs/{namespace}/{name}/drawing", .reading, query: ["format"]) { call, _ in
            let format: ExecutionService.DrawingFormat = try call.query.choice("format") ?? .text
            return try await call.drawing(call.service.drawing(of: call.reference(), as: format), format)
        },
        .restricted(.get, "/elements", .reading, query: ["search", "page_size", "cursor"]) { call, _ in
            try await call.list(call.service.elements(search: call.query.text("search"), page: call.page()))
        },
        .restricted(.get, "/elements/{namespace}/{name}", .reading) { call, _ in
            try await call.entity(call.service.element(call.reference()))
        },
        .restricted(.post, "/environments", .submitting) { call, _ in
            let environment = try await call.service.requestEnvironment(try await call.body())
            return try call.created(
                environment, at: "/environments/\(environment.digest)", status: environment.state == .building ? .accepted : .ok)
        },
        .restricted(.get, "/environments", .reading, query: ["page_size", "cursor"]) { call, _ in
            try await call.list(call.service.environments(page: call.page()))
        },
        .restricted(.get, "/environments/{digest}", .reading) { call, _ in
            try await call.entity(call.service.environment(call.parameter("digest")))
        },
    ]
}

extension Call {
    fileprivate func drawing(_ text: String, _ format: ExecutionService.DrawingFormat) -> Response {
        switch format {
        case .text: return self.text(text, type: "text/plain; charset=utf-8")
        case .dot: return self.text(text, type: "text/vnd.graphviz; charset=utf-8")
        case .svg:
            var response = self.text(text, type: "image/svg+xml")
            // A drawing holds users' names: were it opened as a page, nothing in it may run.
            response.headers[.contentSecurityPolicy] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
            return response
        }
    }
}
