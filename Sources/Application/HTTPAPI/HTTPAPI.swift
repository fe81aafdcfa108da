// SPDX-License-Identifier: Apache-2.0

package import ExecutionService
import HTTPTypes
package import Hummingbird
import Identity
import Logging
package import Telemetry
import WorkflowModel

/// The REST interface over the use cases: routes, access, request and response forms, event streams.
package struct HTTPAPI: Sendable {
    package struct Configuration: Sendable {
        /// Bytes of a request's body.
        package var maximumBody: Int
        /// Issuers whose tokens are accepted, for clients that look for one.
        package var issuers: [String]

        package init(maximumBody: Int, issuers: [String]) {
            self.maximumBody = maximumBody
            self.issuers = issuers
        }
    }

    let service: ExecutionService
    let access: AccessControl
    let configuration: Configuration
    /// Renders `/metrics`.
    let metrics: PrometheusRegistry

    package init(
        service: ExecutionService, access: AccessControl, configuration: Configuration, metrics: PrometheusRegistry
    ) {
        self.service = service
        self.access = access
        self.configuration = configuration
        self.metrics = metrics
        RequestObserver.describe(in: metrics)
    }

    /// A router with every route of ``Route/all`` behind the access policy.
    package func router() -> Router<APIContext> {
        Self.router { route, request, context in try await respond(to: request, context: context, by: route) }
    }

    /// - Parameter respond: answers a request that has matched a route.
    package static func router(
        respond: @escaping @Sendable (Route, Request, APIContext) async throws -> Response
    ) -> Router<APIContext> {
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: RequestObserver())
        router.add(middleware: ProblemRenderer())
        for route in Route.all {
            router.on(RouterPath(route.path), method: route.method) { request, context in try await respond(route, request, context) }
        }
        return router
    }

    private func respond(to request: Request, context: APIContext, by route: Route) async throws -> Response {
        switch route.action {
        case .open(let handler):
            return try await handler(Call(request: request, context: context, query: Query(), api: self))
        case .restricted(let scopes, let handler):
            let call = Call(request: request, context: context, query: try Query(request.uri.query), api: self)
            let principal = try await access.authenticate(request, query: call.query) { error in
                context.logger.info("token refused", metadata: ["reason": "\(error.reason)"])
            }
            context.caller.set(principal)
            try access.authorise(principal, anyOf: scopes, request)
            try call.query.refuse(allBut: route.query)
            return try await handler(call, principal)
        }
    }
}
