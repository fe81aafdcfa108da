// SPDX-License-Identifier: Apache-2.0

import ExecutionService
import HTTPTypes
import Hummingbird
import WorkflowModel

extension Route {
    /// Runs: submission, control, logs, results and live events.
    static let runs: [Route] = [
        .restricted(.post, "/runs", .submitting) { call, principal in
            let key = try call.idempotencyKey()
            let request: RunRequest = try await call.body()
            if request.dryRun == true { return try await call.json(call.service.plan(request, by: principal)) }
            let (run, created) = try await call.service.submit(request, idempotencyKey: key, by: principal)
            return try call.created(run, at: "/runs/\(run.id)", status: created ? .created : .ok)
        },
        .restricted(.get, "/runs", .reading, query: ["state", "graph", "name", "owner", "page_size", "cursor"]) { call, principal in
            let filter = try call.runFilter(for: principal)
            return try await call.list(call.service.runs(filter, page: call.page(), for: principal))
        },
        .restricted(.get, "/runs/{id}", .reading) { call, principal in
            try await call.entity(call.service.run(call.runID(), for: principal))
        },
        .restricted(.post, "/runs/{id}/cancel", .submitting) { call, principal in
            let run = try await call.service.cancel(call.runID(), by: principal)
            return try call.created(run, at: "/runs/\(run.id)", status: .accepted)
        },
        .restricted(.post, "/runs/{id}/retry", .submitting) { call, principal in
            let request: RetryRequest = try await call.optionalBody() ?? RetryRequest()
            if try request.isDryRun() { return try await call.json(call.service.planResume(call.runID(), by: principal)) }
            let run =
                if request.resume == true {
                    try await call.service.resume(call.runID(), by: principal)
                } else {
                    try await call.service.retry(call.runID(), by: principal)
                }
            return try call.created(run, at: "/runs/\(run.id)", status: .accepted)
        },
        .restricted(.get, "/runs/{id}/logs", .reading, query: ["attempt", "rank", "after", "limit", "follow"]) { call, principal in
            try await call.logs(call.runID(), for: principal)
        },
        .restricted(.get, "/runs/{id}/events", .reading) { call, principal in
            try await call.followRun(call.runID(), for: principal)
        },
        .restricted(.get, "/runs/{id}/results", .reading, query: ["attempt", "page_size", "cursor"]) { call, principal in
            try await call.list(call.service.results(call.runID(), attempt: call.attempt(), page: call.page(), for: principal))
        },
    ]
}

extension RetryRequest {
    fileprivate func isDryRun() throws(Problem) -> Bool {
        guard dryRun == true else { return false }
        guard resume == true else {
            throw Problem(
                .invalid, "The body cannot be accepted.",
                errors: [.init("/dry_run", "goes with \"resume\": true: any other retry processes every item")])
        }
        return true
    }
}

extension Call {
    /// Number of the attempt that is asked for; absent: the latest.
    func attempt() throws(Problem) -> Int? { try query.integer("attempt", in: 1...Int(Int32.max)) }

    fileprivate enum Owner: String, CaseIterable { case me, all }

    fileprivate func runFilter(for principal: Principal) throws -> RunFilter {
        let owner: Owner = try query.choice("owner") ?? .me
        if owner == .all { try api.access.authorise(principal, anyOf: [.admin], request) }
        return try RunFilter(
            states: query.choices("state"), graph: query.reference("graph"), name: query.text("name"),
            everyOwner: owner == .all)
    }

    fileprivate func idempotencyKey() throws -> String? {
        let keys = request.headers[values: .idempotencyKey]
        guard let key = keys.first else { return nil }
        guard keys.count == 1, (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw Problem(
                .invalid, "The header Idempotency-Key cannot be accepted.",
                errors: [.init("Idempotency-Key", "must be given once and hold 1 to 255 printable ASCII characters")])
        }
        return key
    }
}
