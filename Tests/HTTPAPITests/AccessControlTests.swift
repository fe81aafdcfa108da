// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTPTypes
import Hummingbird
import Identity
import Testing
import WorkflowModel

import class HTTPClient.HTTPClient

@testable import HTTPAPI

@Suite struct AccessControlTests {
    let issuer: LocalIssuer
    let access: AccessControl

    init() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/weft-access-\(UInt64.random(in: 0 ... .max))"
        issuer = try LocalIssuer.create(in: folder, issuer: "https://issuer.test", audience: "weft")
        access = AccessControl(
            validator: try TokenValidator(issuers: [issuer.configuration], client: HTTPClient()), publicURL: "https://weft.test")
    }

    private func refusal(_ authorization: [String], path: String = "/api/v1/runs") async throws -> Refusal? {
        do throws(Refusal) {
            _ = try await authenticate(authorization, path: path)
            return nil
        } catch {
            return error
        }
    }

    private func authenticate(_ authorization: [String], path: String = "/api/v1/runs") async throws(Refusal) -> Principal {
        let request = Self.request(authorization, path: path)
        let query = (try? Query(request.uri.query)) ?? Query()
        return try await access.authenticate(request, query: query) { _ in }
    }

    private static func request(_ authorization: [String], path: String) -> Request {
        var headers: HTTPFields = [:]
        headers[values: .authorization] = authorization
        let head = HTTPRequest(method: .get, scheme: "http", authority: "other.test:8080", path: path, headerFields: headers)
        return Request(head: head, body: .init(buffer: ByteBuffer()))
    }

    private static let metadata = #"resource_metadata="https://weft.test/.well-known/oauth-protected-resource""#

    @Test func aValidTokenNamesItsPrincipal() async throws {
        let token = try await issuer.token(subject: "ada", scopes: [.read])
        let principal = try await authenticate(["Bearer \(token)"])
        #expect(principal == Principal(issuer: "https://issuer.test", subject: "ada", scopes: [.read]))
    }

    @Test func withoutATokenTheChallengeNamesNoError() async throws {
        let refusal = try #require(try await refusal([]))
        #expect(refusal.problem.kind == .unauthorized)
        #expect(refusal.headers[.wwwAuthenticate] == #"Bearer realm="weft", \#(Self.metadata)"#)
    }

    @Test func aTokenThatIsNotValidIsChallengedAndNotRepeated() async throws {
        let token = try await issuer.token(subject: "ada", scopes: [.read]) + "x"
        let refusal = try #require(try await refusal(["Bearer \(token)"]))
        #expect(refusal.problem.kind == .unauthorized)
        let challenge = try #require(refusal.headers[.wwwAuthenticate])
        #expect(challenge == #"Bearer realm="weft", error="invalid_token", \#(Self.metadata)"#)
        #expect(!refusal.problem.description.contains(token.prefix(10)))
    }

    @Test(arguments: [["Basic YTpi"], ["Bearer"], ["Bearer "], ["Bearer a", "Bearer b"], ["Bearer a b"]])
    func credentialsThatAreNotOneBearerTokenAreABadRequest(authorization: [String]) async throws {
        let refusal = try #require(try await refusal(authorization))
        #expect(refusal.problem.kind == .badRequest)
        #expect(refusal.headers[.wwwAuthenticate]?.contains(#"error="invalid_request""#) == true)
    }

    @Test func aTokenInTheAddressIsABadRequestEvenBesideAGoodOne() async throws {
        let token = try await issuer.token(subject: "ada", scopes: [.read])
        let refusal = try #require(try await refusal(["Bearer \(token)"], path: "/api/v1/runs?access_token=\(token)"))
        #expect(refusal.problem.kind == .badRequest)
        #expect(!refusal.problem.description.contains(token))
    }

    @Test func aMissingScopeIsNamed() throws {
        let reader = Principal(issuer: "i", subject: "s", scopes: [.read, .admin])
        let request = Self.request([], path: "/")
        try access.authorise(reader, anyOf: .reading, request)
        let refusal = #expect(throws: Refusal.self) { try access.authorise(reader, anyOf: .submitting, request) }
        #expect(refusal?.problem.kind == .forbidden)
        let challenge = #"Bearer realm="weft", error="insufficient_scope", scope="weft.submit", \#(Self.metadata)"#
        #expect(refusal?.headers[.wwwAuthenticate] == challenge)
    }

    @Test func theAddressComesFromTheRequestWhenNoneIsConfigured() throws {
        let access = AccessControl(validator: access.validator, publicURL: nil)
        #expect(access.address(Self.request([], path: "/")) == "http://other.test:8080")
        let forged = HTTPRequest(method: .get, scheme: "http", authority: "a\"b", path: "/")
        #expect(access.address(Request(head: forged, body: .init(buffer: ByteBuffer()))) == nil)
    }
}
