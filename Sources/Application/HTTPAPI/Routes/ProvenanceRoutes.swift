// SPDX-License-Identifier: Apache-2.0

import ExecutionService
import HTTPTypes
import Hummingbird
import WorkflowModel

extension Route {
    /// What a run did, and where its data came from.
    static let provenance: [Route] = [
        .restricted(.get, "/runs/{id}/provenance", .reading, query: ["attempt"]) { call, principal in
            try await call.json(call.service.provenance(of: call.runID(), attempt: call.attempt(), for: principal))
        },
        .restricted(.get, "/runs/{id}/data", .reading, query: ["attempt", "element", "page_size", "cursor"]) { call, principal in
            try await call.list(
                call.service.data(
                    of: call.runID(), attempt: call.attempt(), element: call.query.text("element"), page: call.page(), for: principal))
        },
        .restricted(.get, "/runs/{id}/invocations", .reading, query: ["attempt", "outcome", "page_size", "cursor"]) { call, principal in
            try await call.list(
                call.service.failedInvocations(
                    of: call.runID(), attempt: call.attempt(), outcome: call.query.choice("outcome"), page: call.page(), for: principal))
        },
        .restricted(.get, "/data/{datum}/trace", .reading, query: ["direction", "depth"]) { call, principal in
            let text = try call.parameter("datum")
            guard let datum = DatumReference(text) else {
                throw Problem(.notFound, "'\(text)' is not the id of a datum: ids look like run_….1.7.42 (run, attempt, instance, number).")
            }
            return try await call.json(
                call.service.trace(
                    datum, direction: call.query.choice("direction") ?? .back,
                    depth: call.query.integer("depth", in: 1...ExecutionService.maximumTraceDepth) ?? 100, for: principal))
        },
    ]
}
