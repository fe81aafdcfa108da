// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import Logging
import Testing
import WorkflowModel

@testable import HTTPAPI

/// The router with everything around the handlers, without a network.
@Suite struct ResponderTests {
    private struct Source: RequestContextSource {
        var logger = Logger(label: "test")
    }

    private func answer(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields = [:],
        handler: @escaping @Sendable (Request) throws -> Response = { _ in Response(status: .ok) }
    ) async throws -> (response: Response, problem: Problem?) {
        let router = HTTPAPI.router { _, request, _ in try handler(request) }
        let head = HTTPRequest(method: method, scheme: "http", authority: "weft.test", path: path, headerFields: headers)
        let request = Request(head: head, body: .init(buffer: ByteBuffer()))
        let response = try await router.buildResponder().respond(to: request, context: APIContext(source: Source()))
        guard response.headers[.contentType] == "application/problem+json" else { return (response, nil) }
        let writer = Collector()
        try await response.body.write(writer)
        return (response, try WireJSON.decode(Problem.self, from: writer.bytes))
    }

    /// What a response's body writes.
    private final class Collector: ResponseBodyWriter {
        var bytes: [UInt8] = []
        func write(_ buffer: ByteBuffer) async throws { bytes += buffer.readableBytesView }
        func finish(_ trailingHeaders: HTTPFields?) async throws {}
    }

    @Test func aPathThatIsNotThereIsAProblem() async throws {
        let (response, problem) = try await answer(.get, "/api/v1/jobs")
        #expect(response.status == .notFound)
        #expect(problem?.detail == "There is nothing at /api/v1/jobs: GET /openapi.yaml describes what there is.")
    }

    @Test func anotherMethodIsToldWhichAreAllowed() async throws {
        let (response, problem) = try await answer(.delete, "/api/v1/runs?x=1")
        #expect(response.status == .methodNotAllowed)
        #expect(response.headers[.allow] == "GET, HEAD, POST")
        #expect(problem?.kind == .methodNotAllowed)
    }

    @Test func aProblemOfAHandlerIsItsAnswer() async throws {
        let thrown = Problem(.invalid, "No.", errors: [.init("/ranks", "is 0")])
        let (response, problem) = try await answer(.post, "/api/v1/runs") { _ in throw thrown }
        #expect(response.status.code == 422)
        #expect(problem == thrown)
        #expect(response.headers[.cacheControl] == "no-store")
    }

    @Test func anUnforeseenErrorTellsNothingOfItself() async throws {
        struct Secret: Error {}
        let (response, problem) = try await answer(.get, "/api/v1/runs") { _ in throw Secret() }
        #expect(response.status == .internalServerError)
        #expect(problem?.detail.contains("Secret") == false)
    }

    @Test func errorsOfTheFrameworkAreProblemsToo() async throws {
        let (response, problem) = try await answer(.get, "/api/v1/runs") { _ in throw HTTPError(.contentTooLarge, message: "x") }
        #expect(response.status == .contentTooLarge)
        #expect(problem?.kind == .tooLarge)
    }

    @Test func everyAnswerHasAnIdAndIsNotSniffed() async throws {
        let (plain, _) = try await answer(.get, "/livez")
        #expect(plain.headers[.requestID]?.hasPrefix("req_") == true)
        #expect(plain.headers[.contentTypeOptions] == "nosniff")
        let (named, _) = try await answer(.get, "/nowhere", headers: [.requestID: "mine-1"])
        #expect(named.headers[.requestID] == "mine-1")
        let (unfit, _) = try await answer(.get, "/livez", headers: [.requestID: "two words"])
        #expect(unfit.headers[.requestID]?.hasPrefix("req_") == true)
    }

    @Test func headIsAnsweredWhereGetIs() async throws {
        #expect(try await answer(.head, "/livez").response.status == .ok)
    }
}
