// SPDX-License-Identifier: Apache-2.0

import HTTPClient
import WorkflowModel

/// Weft's REST interface as the commands use it.
struct APIClient: Sendable {
    typealias Query = [(name: String, value: String)]

    /// How a list is asked for by the piece.
    struct Paging: Sendable {
        var size: String
        var cursor: String

        static let pages = Paging(size: "page_size", cursor: "cursor")
        static let logLines = Paging(size: "limit", cursor: "after")
    }

    let server: String
    let credentials: Credentials
    let http = HTTPClient()
    /// Of one exchange.
    var timeout = Duration.seconds(30)

    private static let pageSize = 500
    /// A server that is just starting or whose connection breaks is asked so many times, where asking again is harmless.
    private static let tries = 3

    func get<Answer: Decodable>(_ path: String..., query: Query = [], as type: Answer.Type = Answer.self) async throws -> Answer {
        try decode(type, try await call("GET", path, query: query).body)
    }

    /// With the entity tag of what was got.
    func tagged<Answer: Decodable>(_ path: String..., as type: Answer.Type = Answer.self) async throws -> (answer: Answer, tag: String?) {
        let response = try await call("GET", path)
        return (try decode(type, response.body), response.headers["ETag"])
    }

    /// The body of the answer as it is.
    func document(_ path: String..., query: Query = []) async throws -> [UInt8] {
        try await call("GET", path, query: query, accept: "*/*").body
    }

    func post<Answer: Decodable>(
        _ path: String..., body: some Encodable, idempotencyKey: String? = nil, as type: Answer.Type = Answer.self
    ) async throws -> Answer {
        let headers = idempotencyKey.map { [(name: "Idempotency-Key", value: $0)] } ?? []
        return try decode(type, try await call("POST", path, headers: headers, body: try WireJSON.encode(body)).body)
    }

    func post<Answer: Decodable>(_ path: String..., as type: Answer.Type = Answer.self) async throws -> Answer {
        try decode(type, try await call("POST", path).body)
    }

    /// - Parameter condition: a header of what has to be there already.
    func put<Answer: Decodable>(
        _ path: String..., body: some Encodable, condition: (name: String, value: String)? = nil, as type: Answer.Type = Answer.self
    ) async throws -> Answer {
        try decode(type, try await call("PUT", path, headers: [condition].compactMap(\.self), body: try WireJSON.encode(body)).body)
    }

    func delete(_ path: String...) async throws { _ = try await call("DELETE", path) }

    /// The first items of a list; with `limit` `nil` all of them.
    /// - Returns: the items, and whether there are more.
    func list<Item: Codable & Sendable>(
        _ path: String..., query: Query = [], limit: Int?, of type: Item.Type = Item.self
    ) async throws -> (items: [Item], more: Bool) {
        var items: [Item] = []
        var cursor: String?
        repeat {
            let size = min(limit.map { $0 - items.count } ?? Self.pageSize, Self.pageSize)
            let page: Page<Item> = try await page(path, query, .pages, size: size, cursor: cursor)
            items += page.items
            cursor = page.next
        } while cursor != nil && items.count < limit ?? .max
        return (items, cursor != nil)
    }

    /// Every item of a list, without holding more than a page of it.
    func forEach<Item: Codable & Sendable>(
        _ path: String..., query: Query = [], paging: Paging, _ handle: (Item) throws -> Void
    ) async throws {
        var cursor: String?
        repeat {
            let page: Page<Item> = try await page(path, query, paging, size: Self.pageSize, cursor: cursor)
            try page.items.forEach(handle)
            cursor = page.next
        } while cursor != nil
    }

    private func page<Item>(_ path: [String], _ query: Query, _ paging: Paging, size: Int, cursor: String?) async throws -> Page<Item> {
        let query = query + [(paging.size, "\(size)")] + (cursor.map { [(paging.cursor, $0)] } ?? [])
        return try decode(Page<Item>.self, try await call("GET", path, query: query).body)
    }

    func request(_ method: String, _ path: [String], query: Query = [], accept: String) async throws -> HTTPRequest {
        var url = server + "/api/v1/" + path.map { Self.escape($0) }.joined(separator: "/")
        if !query.isEmpty { url += "?" + query.map { "\(Self.escape($0.name))=\(Self.escape($0.value))" }.joined(separator: "&") }
        return HTTPRequest(
            method: method, url: url, headers: ["Authorization": "Bearer \(try await credentials.token().token)", "Accept": accept],
            maximumBodyBytes: 256 << 20)
    }

    /// What the server said instead of what was asked for.
    func problem(status: Int, body: [UInt8]) -> Problem {
        if let problem = try? WireJSON.decode(Problem.self, from: body) { return problem }
        let kind = Problem.Kind.allCases.first { $0.status == status } ?? .internalError
        return Problem(kind, "\(server) answered with status \(status) and no explanation. Is it a Weft server?")
    }

    func failure(_ error: HTTPClientError) -> CommandFailure {
        switch error {
        case .cannotConnect:
            CommandFailure("\(error) Is the server up? `weft status` looks at the one on this machine, `weft up` starts it.")
        case .timedOut: CommandFailure("\(error)", status: .timeout)
        case .invalidRequest: CommandFailure("\(error)", status: .usage)
        case .interrupted, .tooLarge, .tooManyRequests, .cancelled: CommandFailure("\(error)")
        }
    }

    private func call(
        _ method: String, _ path: [String], query: Query = [], accept: String = "application/json",
        headers: [(name: String, value: String)] = [], body: [UInt8]? = nil
    ) async throws -> HTTPResponse {
        var request = try await request(method, path, query: query, accept: accept)
        request.timeout = timeout
        if let body {
            request.body = body
            request.headers["Content-Type"] = "application/json"
        }
        for header in headers { request.headers[header.name] = header.value }
        var triesLeft = method == "GET" || method == "PUT" || request.headers["Idempotency-Key"] != nil ? Self.tries : 1
        while true {
            triesLeft -= 1
            do {
                let response = try await http.send(request)
                guard (200..<300).contains(response.status) else { throw problem(status: response.status, body: response.body) }
                return response
            } catch let error as HTTPClientError {
                guard case .interrupted = error, triesLeft > 0 else { throw failure(error) }
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    private func decode<Answer: Decodable>(_ type: Answer.Type, _ body: [UInt8]) throws -> Answer {
        do {
            return try WireJSON.decode(type, from: body)
        } catch {
            throw CommandFailure("The answer of \(server) is not understood. Is this `weft` of the server's version? (\(error))")
        }
    }

    /// Percent-encodes what may not stand in a part of a path or query.
    private static func escape(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "@"), UInt8(ascii: ":"):
                String(UnicodeScalar(byte))
            default: (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }.joined()
    }
}
