// SPDX-License-Identifier: Apache-2.0

import HTTPClient
import Testing

@Suite struct HTTPClientTests {
    let client = HTTPClient(.init(userAgent: "weft-tests"))

    @Test func sendsMethodHeadersAndBodyAndReadsTheResponse() async throws {
        let server = try LoopbackServer { request, connection in
            connection.respond(
                201, headers: ["X-Method: \(request.method)", "X-Two: a", "X-Two: b"],
                body: request.head.lowercased() + "|" + String(decoding: request.body, as: UTF8.self))
        }
        let response = try await client.send(
            HTTPRequest(method: "PATCH", url: server.url + "/a?b=c", headers: ["X-Given": "yes", "X-Empty": ""], body: Array("hello".utf8)))
        #expect(response.status == 201)
        #expect(response.headers["x-method"] == "PATCH")
        #expect(response.headers.fields.filter { $0.name == "X-Two" }.map(\.value) == ["a", "b"])
        #expect(response.text.hasSuffix("|hello"))
        #expect(response.text.contains("x-given: yes") && response.text.contains("x-empty:"))
        #expect(response.text.contains("user-agent: weft-tests"))
        #expect(!response.text.contains("x-www-form-urlencoded") && !response.text.contains("expect:"))
    }

    @Test(arguments: ["POST", "PUT"]) func aMethodThatCarriesABodySaysThatItIsEmpty(method: String) async throws {
        let server = try LoopbackServer { request, connection in connection.respond(body: request.head.lowercased()) }
        let response = try await client.send(HTTPRequest(method: method, url: server.url))
        #expect(response.text.hasPrefix(method.lowercased()))
        #expect(response.text.contains("content-length: 0"))
    }

    @Test func errorStatusesAreResponses() async throws {
        let server = try LoopbackServer { _, connection in connection.respond(503, body: "no") }
        let response = try await client.send(HTTPRequest(url: server.url))
        #expect(response.status == 503 && response.text == "no")
    }

    @Test func redirectsAreNotFollowed() async throws {
        let server = try LoopbackServer { _, connection in connection.respond(302, headers: ["Location: /other"]) }
        #expect(try await client.send(HTTPRequest(url: server.url + "/first")).status == 302)
        #expect(server.hits("/other") == 0)
    }

    @Test func informationalResponsesAreSkipped() async throws {
        let server = try LoopbackServer { _, connection in
            connection.send("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n")
            connection.respond(204)
        }
        let response = try await client.send(HTTPRequest(url: server.url))
        #expect(response.status == 204 && response.headers["Link"] == nil)
    }

    @Test func aRefusedConnectionNamesTheURLWithoutItsQuery() async throws {
        let server = try LoopbackServer { _, _ in }
        server.stop()
        let error = await #expect(throws: HTTPClientError.self) {
            try await client.send(HTTPRequest(url: server.url + "/path?secret=1"))
        }
        guard case .cannotConnect(let url, _)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(url == server.url + "/path")
        #expect("\(HTTPClientError.cannotConnect(url: url, reason: "x"))".hasPrefix("Cannot connect to \(url)"))
    }

    @Test func silenceEndsTheExchangeAfterTheTimeout() async throws {
        let server = try LoopbackServer { _, connection in connection.waitForClose() }
        let started = ContinuousClock.now
        let error = await #expect(throws: HTTPClientError.self) {
            try await client.send(HTTPRequest(url: server.url, timeout: .milliseconds(300)))
        }
        guard case .timedOut? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(ContinuousClock.now - started < .seconds(30))
    }

    @Test func aBodyOverTheLimitIsRefused() async throws {
        let server = try LoopbackServer { _, connection in connection.respond(body: String(repeating: "x", count: 3000)) }
        await #expect(throws: HTTPClientError.tooLarge(url: server.url, limit: 2999)) {
            try await client.send(HTTPRequest(url: server.url, maximumBodyBytes: 2999))
        }
        #expect(try await client.send(HTTPRequest(url: server.url, maximumBodyBytes: 3000)).body.count == 3000)
    }

    @Test func aBodyCutShortIsAnError() async throws {
        let server = try LoopbackServer { _, connection in connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") }
        let error = await #expect(throws: HTTPClientError.self) { try await client.send(HTTPRequest(url: server.url)) }
        guard case .interrupted? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test(arguments: [
        HTTPRequest(url: "ftp://127.0.0.1/"), HTTPRequest(url: "file:///etc/passwd"), HTTPRequest(url: "http://a:b@127.0.0.1/"),
        HTTPRequest(url: "http://127.0.0.1/a b"), HTTPRequest(method: "GET /x", url: "http://127.0.0.1/"),
        HTTPRequest(url: "http://127.0.0.1/", headers: ["A": "b\r\nC: d"]), HTTPRequest(url: "http://127.0.0.1/", headers: ["A: x": "b"]),
    ])
    func whatMustNotBeSentIsRefused(request: HTTPRequest) async {
        let error = await #expect(throws: HTTPClientError.self) { try await client.send(request) }
        guard case .invalidRequest? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func manyRequestsShareTheClient() async throws {
        let server = try LoopbackServer { request, connection in connection.respond(body: request.path) }
        let client = client
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<100 {
                group.addTask { try await client.send(HTTPRequest(url: "\(server.url)/\(number)")).text == "/\(number)" }
            }
            for try await isRight in group { #expect(isRight) }
        }
    }

    @Test func requestsOverTheLimitAreRefused() async throws {
        let client = HTTPClient(.init(maximumRequests: 1))
        let server = try LoopbackServer { _, connection in
            connection.send("HTTP/1.1 200 OK\r\n\r\n")
            connection.waitForClose()
        }
        let open = try await client.stream(HTTPRequest(url: server.url))
        await #expect(throws: HTTPClientError.tooManyRequests(limit: 1)) { try await client.send(HTTPRequest(url: server.url)) }
        #expect(open.status == 200)
    }

    @Test func aStreamArrivesPieceByPiece() async throws {
        let read = Signal<Void>()
        let server = try LoopbackServer { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\none")
            connection.waitForClose()
            read.send(())
        }
        let response = try await client.stream(HTTPRequest(url: server.url))
        #expect(response.headers["content-type"] == "text/event-stream")
        var iterator = response.body.makeAsyncIterator()
        #expect(try await iterator.next() == Array("one".utf8))
    }

    @Test func cancellingTheReaderClosesTheConnection() async throws {
        let (reading, closed) = (Signal<Void>(), Signal<Void>())
        let server = try LoopbackServer { _, connection in
            connection.send("HTTP/1.1 200 OK\r\n\r\nfirst")
            connection.waitForClose()
            closed.send(())
        }
        let client = client
        let reader = Task {
            for try await _ in try await client.stream(HTTPRequest(url: server.url)).body { reading.send(()) }
        }
        #expect(await reading.value() != nil)
        reader.cancel()
        await #expect(throws: HTTPClientError.cancelled) { try await reader.value }
        #expect(await closed.value(seconds: 2) != nil, "the connection stayed open")
    }

    @Test func cancellingWhileNothingHasComeClosesTheConnection() async throws {
        let (asked, closed) = (Signal<Void>(), Signal<Void>())
        let server = try LoopbackServer { _, connection in
            asked.send(())
            connection.waitForClose()
            closed.send(())
        }
        let client = client
        let reader = Task { try await client.send(HTTPRequest(url: server.url)) }
        #expect(await asked.value() != nil)
        reader.cancel()
        await #expect(throws: HTTPClientError.cancelled) { try await reader.value }
        #expect(await closed.value(seconds: 2) != nil, "the connection stayed open")
    }

    @Test func lettingGoOfABodyClosesTheConnection() async throws {
        let closed = Signal<Void>()
        let server = try LoopbackServer { _, connection in
            connection.send("HTTP/1.1 200 OK\r\n\r\n")
            connection.waitForClose()
            closed.send(())
        }
        do { _ = try await client.stream(HTTPRequest(url: server.url)) }
        #expect(await closed.value(seconds: 2) != nil, "the connection stayed open")
    }

    @Test func aSlowReaderHoldsTheSenderBack() async throws {
        let size = 64 << 20
        let blocked = Signal<Int>()
        let server = try LoopbackServer { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            let block = [UInt8](repeating: 7, count: size)
            let sent = connection.send(block, patience: 1)
            blocked.send(sent)
            connection.send(block[sent...])
        }
        let response = try await client.stream(HTTPRequest(url: server.url))
        let sent = try #require(await blocked.value(seconds: 30))
        #expect(sent < size / 2, "\(sent) bytes were taken though nobody read them")
        var received = 0
        for try await chunk in response.body { received += chunk.count }
        #expect(received == size)
    }
}
