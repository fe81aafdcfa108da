// SPDX-License-Identifier: Apache-2.0

import ExecutionService
import HTTPTypes
import Hummingbird
import Telemetry
import WorkflowModel

extension Route {
    /// Health, metrics, description, and who is asking.
    static let service: [Route] = [
        .open(.get, "/livez") { call in call.text("ok\n", type: "text/plain; charset=utf-8") },
        .open(.get, "/readyz") { call in
            try await call.service.checkReadiness()
            return call.text("ok\n", type: "text/plain; charset=utf-8")
        },
        .open(.get, "/metrics") { call in call.text(await call.api.metrics.render(), type: PrometheusRegistry.contentType) },
        .open(.get, "/openapi.yaml") { call in
            call.text(String(decoding: PackageResources.openapi_yaml, as: UTF8.self), type: "application/yaml")
        },
        .open(.get, "/.well-known/oauth-protected-resource") { call in try call.json(ProtectedResource(call)) },
        .restricted(.get, "/whoami", .any) { call, principal in try call.json(Caller(principal)) },
    ]
}

/// RFC 9728: where a client finds an issuer for this server.
private struct ProtectedResource: Encodable {
    var resource: String
    var issuers: [String]
    var scopes = Scope.allCases
    var methods = ["header"]

    init(_ call: Call) {
        resource = call.api.access.address(call.request) ?? ""
        issuers = call.api.configuration.issuers
    }

    enum CodingKeys: String, CodingKey {
        case resource
        case issuers = "authorization_servers"
        case scopes = "scopes_supported"
        case methods = "bearer_methods_supported"
    }
}

private struct Caller: Encodable {
    var issuer: String
    var subject: String
    var scopes: [Scope]

    init(_ principal: Principal) {
        issuer = principal.issuer
        subject = principal.subject
        scopes = principal.scopes.sorted()
    }
}
