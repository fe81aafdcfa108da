// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
package import Identity
import WorkflowModel

/// Who is asking, and whether he may. Refusals follow RFC 6750 and RFC 9728; no token is ever repeated.
package struct AccessControl: Sendable {
    let validator: TokenValidator
    /// Address that clients use; absent: as the request names it.
    let publicURL: String?

    package init(validator: TokenValidator, publicURL: String?) {
        self.validator = validator
        self.publicURL = publicURL
    }

    /// - Parameter log: is told why a token was refused, which the client is not.
    func authenticate(_ request: Request, query: Query, log: (TokenError) -> Void) async throws(Refusal) -> Principal {
        guard !query.contains("access_token") else {
            throw refusal(
                request, .invalidRequest, "A token in the address ends up in logs: send it in the header Authorization: Bearer …")
        }
        switch BearerCredential.parse(request.headers[values: .authorization]) {
        case .absent:
            throw refusal(request, nil, "This needs a token: send the header Authorization: Bearer …")
        case .malformed:
            throw refusal(request, .invalidRequest, "Send one header Authorization with the word Bearer, a space, and the token.")
        case .token(let token):
            do throws(TokenError) {
                return try await validator.validate(token)
            } catch {
                log(error)
                throw refusal(request, .invalidToken, error.description)
            }
        }
    }

    /// Refuses a principal who has none of the scopes.
    func authorise(_ principal: Principal, anyOf scopes: Set<Scope>, _ request: Request) throws(Refusal) {
        guard principal.scopes.isDisjoint(with: scopes) else { return }
        let needed = scopes.sorted().first { $0 != .admin } ?? .admin
        throw refusal(request, .insufficientScope, "The token does not have the scope \(needed.rawValue).", scopes: [needed])
    }

    /// The server's address as the sender of the request sees it.
    func address(_ request: Request) -> String? {
        if let publicURL { return publicURL }
        let host = request.head.authority ?? ""
        return host.isEmpty || !host.utf8.allSatisfy(Self.isHostCharacter) ? nil : "http://\(host)"
    }

    /// The name comes from the client and goes into a header: nothing but what hosts and ports are made of.
    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
            true
        default: false
        }
    }

    /// - Parameter failure: absent when the request held no credentials at all.
    private func refusal(
        _ request: Request, _ failure: AuthenticationChallenge.Failure?, _ detail: String, scopes: [Scope] = []
    ) -> Refusal {
        let metadata = address(request).map { $0 + "/.well-known/oauth-protected-resource" }
        let challenge = AuthenticationChallenge(failure: failure, scopes: scopes, resourceMetadata: metadata)
        let kind: Problem.Kind =
            switch failure {
            case nil, .invalidToken: .unauthorized
            case .invalidRequest: .badRequest
            case .insufficientScope: .forbidden
            }
        return Refusal(problem: Problem(kind, detail), headers: [.wwwAuthenticate: challenge.headerValue])
    }
}
