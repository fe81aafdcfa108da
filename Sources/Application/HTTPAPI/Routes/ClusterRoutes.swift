// SPDX-License-Identifier: Apache-2.0

import ExecutionService
import HTTPTypes
import Hummingbird
import WorkflowModel

extension Route {
    /// The nodes of the cluster, what operators order of the scheduler, its queue, and what has run.
    static let cluster: [Route] = [
        .restricted(.get, "/nodes", .reading, query: ["page_size", "cursor"]) { call, _ in
            try await call.list(call.service.nodes(page: call.page()))
        },
        .restricted(.put, "/nodes/{name}/order", .operating) { call, principal in
            let name = try call.parameter("name")
            return try call.json(try await call.service.order(try await call.body(), node: name, by: principal))
        },
        .restricted(.delete, "/nodes/{name}/order", .operating) { call, principal in
            try await call.service.removeOrder(node: call.parameter("name"), by: principal)
            return call.done()
        },
        .restricted(.get, "/windows", .reading, query: ["page_size", "cursor"]) { call, _ in
            try await call.list(call.service.windows(page: call.page()))
        },
        .restricted(.post, "/windows", .operating) { call, principal in
            let window = try await call.service.addWindow(try await call.body(), by: principal)
            return try call.created(window, at: "/windows/\(window.name)", status: .created)
        },
        .restricted(.get, "/windows/{name}", .reading) { call, _ in
            try await call.entity(call.service.window(call.parameter("name")))
        },
        .restricted(.delete, "/windows/{name}", .operating) { call, principal in
            try await call.service.removeWindow(call.parameter("name"), by: principal)
            return call.done()
        },
        .restricted(.get, "/accounts", .reading, query: ["page_size", "cursor"]) { call, _ in
            try await call.list(call.service.accounts(page: call.page()))
        },
        .restricted(.get, "/accounts/{name}", .reading) { call, _ in
            let account = try await call.service.account(call.parameter("name"))
            return try call.entity(account, tag: try EntityTag(of: account))
        },
        .restricted(.put, "/accounts/{name}", .operating) { call, principal in
            let name = try call.parameter("name")
            let (account, created) = try await call.service.putAccount(
                try await call.body(), name: name, where: EntityTag.condition(of: call.request.headers), by: principal)
            return try call.created(account, at: "/accounts/\(name)", status: created ? .created : .ok)
        },
        .restricted(.delete, "/accounts/{name}", .operating) { call, principal in
            try await call.service.removeAccount(
                call.parameter("name"), where: EntityTag.condition(of: call.request.headers), by: principal)
            return call.done()
        },
        .restricted(.get, "/queue", .reading, query: ["page_size", "cursor"]) { call, principal in
            try await call.list(call.service.queue(page: call.page(), for: principal))
        },
        .restricted(.get, "/history", .operating, query: ["since", "until", "page_size", "cursor"]) { call, _ in
            let (since, until) = (try call.query.time("since"), try call.query.time("until"))
            return try await call.list(call.service.history(since: since, until: until, page: call.page()))
        },
    ]
}
