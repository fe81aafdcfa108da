// SPDX-License-Identifier: Apache-2.0

package import Hummingbird
package import WorkflowModel

/// One row of the API: the router, the access policy and the answer to a wrong method are all made from ``all``.
package struct Route: Sendable {
    /// Who may call a route.
    package enum Access: Sendable, Equatable {
        case open
        /// A token with at least one of these scopes.
        case scopes(Set<Scope>)
    }

    typealias OpenHandler = @Sendable (Call) async throws -> Response
    typealias Handler = @Sendable (Call, Principal) async throws -> Response

    enum Action: Sendable {
        case open(OpenHandler)
        case restricted(Set<Scope>, Handler)
    }

    package let method: HTTPRequest.Method
    /// With parameters in braces, as in the OpenAPI document.
    package let path: String
    /// Query parameters that the route knows; any other is refused.
    package let query: Set<String>
    let action: Action

    package var access: Access {
        switch action {
        case .open: .open
        case .restricted(let scopes, _): .scopes(scopes)
        }
    }

    static func open(_ method: HTTPRequest.Method, _ path: String, _ handler: @escaping OpenHandler) -> Route {
        Route(method: method, path: path, query: [], action: .open(handler))
    }

    /// Needs one of `scopes`. The path is relative to `/api/v1`.
    static func restricted(
        _ method: HTTPRequest.Method, _ path: String, _ scopes: Set<Scope>, query: Set<String> = [], _ handler: @escaping Handler
    ) -> Route {
        Route(method: method, path: "/api/v1" + path, query: query, action: .restricted(scopes, handler))
    }
}

extension Route {
    /// Every route of the server.
    package static let all: [Route] = service + cluster + forecasts + registry + runs + provenance

    /// The methods that the path answers to, `HEAD` included wherever there is `GET`; empty when there is no such path.
    static func methods(at path: String) -> [HTTPRequest.Method] {
        let parts = path.split(separator: "/")
        let methods = all.filter { $0.matches(parts) }.map(\.method)
        return methods.contains(.get) ? methods + [.head] : methods
    }

    private func matches(_ parts: [Substring]) -> Bool {
        let own = path.split(separator: "/")
        return own.count == parts.count && zip(own, parts).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
    }
}

/// Scopes of which one is enough.
extension Set<Scope> {
    static let reading: Set = [Scope.read, .admin]
    static let submitting: Set = [Scope.submit]
    static let operating: Set = [Scope.admin]
    static let any = Set(Scope.allCases)
}
