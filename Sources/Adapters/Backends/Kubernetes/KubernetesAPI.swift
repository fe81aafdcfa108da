// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTPClient
import WorkflowModel

/// Requests to the API server.
struct KubernetesAPI: Sendable {
    /// What a request came to, where it was not done.
    enum Refusal: Error {
        /// The server knows no such object.
        case notFound
        /// A `resourceVersion` that the server no longer has.
        case gone
        case failed(BackendError)

        var error: BackendError {
            switch self {
            case .notFound: BackendError("the API server knows no such object")
            case .gone: BackendError("the API server no longer has that version", isPassing: true)
            case .failed(let error): error
            }
        }
    }

    private struct Status: Decodable {
        var kind: String?
        var reason: String?
        var message: String?
        var code: Int?
    }

    static let jobs = "apis/kubeflow.org/v2beta1"
    static let core = "api/v1"
    private static let maximumAnswer = 64 << 20

    let access: KubernetesAccess
    private let client: HTTPClient

    init(_ access: KubernetesAccess) {
        self.access = access
        var configuration = HTTPClient.Configuration(authorities: access.authorities)
        if case .certificate(let identity) = access.credential { configuration.identity = identity }
        client = HTTPClient(configuration)
    }

    /// - Parameters:
    ///   - group: ``core`` or ``jobs``.
    ///   - path: below the namespace, or below the group where `isNamespaced` is false.
    private func url(_ group: String, _ path: String, _ query: [(String, String)] = [], isNamespaced: Bool = true) -> String {
        let place = isNamespaced ? "/namespaces/\(access.namespace)" : ""
        let pairs = query.map { "\($0.0)=\(Self.escaped($0.1))" }.joined(separator: "&")
        return "\(access.server)/\(group)\(place)/\(path)" + (pairs.isEmpty ? "" : "?\(pairs)")
    }

    private static func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                String(UnicodeScalar(byte))
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }.joined()
    }

    func get<T: Decodable>(_ type: T.Type, _ group: String, _ path: String, _ query: [(String, String)] = [], isNamespaced: Bool = true)
        async throws(Refusal) -> T
    {
        let bytes = try await send("GET", url(group, path, query, isNamespaced: isNamespaced))
        do { return try WireJSON.decode(type, from: bytes) } catch {
            throw .failed(BackendError("the API server's answer to \(path) cannot be understood: \(error)", isPassing: true))
        }
    }

    func text(_ path: String, _ query: [(String, String)]) async throws(Refusal) -> String {
        String(decoding: try await send("GET", url(Self.core, path, query)), as: UTF8.self)
    }

    /// Server-side apply: makes the object, or makes it what is given.
    func apply(_ object: JSONValue, _ group: String, _ path: String) async throws(Refusal) {
        let body = (try? WireJSON.encode(object)) ?? []
        let query = [("fieldManager", "weft"), ("force", "true")]
        _ = try await send("PATCH", url(group, path, query), body, contentType: "application/apply-patch+yaml")
    }

    /// The objects that depend on it follow in the background.
    func delete(_ group: String, _ path: String, graceSeconds: Int? = nil) async throws(Refusal) {
        var query = [("propagationPolicy", "Background")]
        if let graceSeconds { query.append(("gracePeriodSeconds", "\(graceSeconds)")) }
        _ = try await send("DELETE", url(group, path, query))
    }

    /// - Returns: the lines of a watch, which ends when the server ends it, or has been silent for too long.
    func watch(_ group: String, _ path: String, _ query: [(String, String)], silence: Duration) async throws(Refusal)
        -> HTTPStreamingResponse
    {
        var request = try request("GET", url(group, path, query))
        request.timeout = silence
        let response: HTTPStreamingResponse
        do { response = try await client.stream(request) } catch { throw .failed(Self.unreachable(error)) }
        guard response.status == 200 else {
            let body = (try? await response.body.collect(upTo: 1 << 20)) ?? []
            throw Self.refusal(response.status, body)
        }
        return response
    }

    private func request(_ method: String, _ url: String) throws(Refusal) -> HTTPRequest {
        var request = HTTPRequest(method: method, url: url, maximumBodyBytes: Self.maximumAnswer)
        request.headers["Accept"] = "application/json"
        switch access.credential {
        case .none, .certificate: break
        case .token(let token): request.headers["Authorization"] = "Bearer \(token)"
        case .tokenFile(let path):
            guard let token = try? SmallFile.read(path) else {
                throw .failed(BackendError("there is no token in \(path)", isPassing: true))
            }
            request.headers["Authorization"] = "Bearer " + String(decoding: token, as: UTF8.self).filter { !$0.isWhitespace }
        }
        return request
    }

    private func send(_ method: String, _ url: String, _ body: [UInt8] = [], contentType: String? = nil) async throws(Refusal) -> [UInt8] {
        var request = try request(method, url)
        if let contentType { request.headers["Content-Type"] = contentType }
        request.body = body
        let response: HTTPResponse
        do { response = try await client.send(request) } catch { throw .failed(Self.unreachable(error)) }
        guard (200..<300).contains(response.status) else { throw Self.refusal(response.status, response.body) }
        return response.body
    }

    private static func unreachable(_ error: HTTPClientError) -> BackendError {
        BackendError("the API server of Kubernetes does not answer: \(error)", isPassing: true)
    }

    /// A server that has just started may refuse everything, or know no path, for a moment: only what it says in its own form about
    /// the request itself is final.
    static func refusal(_ code: Int, _ body: [UInt8]) -> Refusal {
        let status = try? WireJSON.decode(Status.self, from: body)
        if code == 404, status?.reason == "NotFound" { return .notFound }
        if code == 410 || status?.reason == "Expired" { return .gone }
        let words = status?.message ?? "status \(code)"
        return .failed(BackendError("Kubernetes: \(words)", isPassing: ![400, 409, 415, 422].contains(code)))
    }
}
