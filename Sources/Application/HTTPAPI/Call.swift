// SPDX-License-Identifier: Apache-2.0

import ExecutionService
import HTTPTypes
import Hummingbird
import WorkflowModel

/// A request on its way through a handler, with what the handler may use.
struct Call: Sendable {
    let request: Request
    let context: APIContext
    let query: Query
    let api: HTTPAPI

    var service: ExecutionService { api.service }

    /// A parameter of the path.
    func parameter(_ name: String) throws -> String {
        let raw = try context.parameters.require(name)
        guard let text = PercentEncoding.decode(raw) else {
            throw Problem(.badRequest, "The path segment '\(raw)' is not percent-encoded UTF-8 text without NUL characters.")
        }
        return text
    }

    func runID() throws -> RunID {
        let text = try parameter("id")
        guard let id = RunID(text) else {
            throw Problem(.notFound, "'\(text)' is not the id of a run: ids look like run_01j9… and come from POST /api/v1/runs.")
        }
        return id
    }

    func reference() throws -> Reference {
        try Reference("\(parameter("namespace"))/\(parameter("name"))")
    }

    func page() throws -> PageRequest {
        try PageRequest(size: query.integer("page_size", in: PageRequest.sizes) ?? 50, cursor: query.text("cursor"))
    }

    /// Where a resource stands, for `Location` and `Link`.
    func location(_ path: String) -> String { (api.access.publicURL ?? "") + "/api/v1" + path }
}
