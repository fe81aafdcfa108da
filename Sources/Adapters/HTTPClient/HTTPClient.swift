// SPDX-License-Identifier: Apache-2.0

/// Asynchronous HTTP over libcurl: one thread per client drives every transfer, connections are kept and reused.
///
/// Redirects are not followed, and proxies come from the environment except for loopback hosts. Cancelling the calling task
/// closes its connection at once.
package final class HTTPClient: Sendable {
    package struct Configuration: Sendable {
        package var userAgent: String
        /// Connections open at a time; further requests wait for one.
        package var maximumConnections: Int
        /// Requests under way or waiting; one more is refused.
        package var maximumRequests: Int
        /// PEM bundle of the authorities to trust instead of the system's.
        package var caFile: String?
        /// PEM text of the authorities to trust instead of the system's.
        package var authorities: String?
        /// What the client proves itself with.
        package var identity: ClientIdentity?

        package init(
            userAgent: String = "weft", maximumConnections: Int = 32,
            maximumRequests: Int = 256, caFile: String? = nil, authorities: String? = nil, identity: ClientIdentity? = nil
        ) {
            self.userAgent = userAgent
            self.maximumConnections = maximumConnections
            self.maximumRequests = maximumRequests
            self.caFile = caFile
            self.authorities = authorities
            self.identity = identity
        }
    }

    /// A certificate and its key, as PEM texts.
    package struct ClientIdentity: Sendable, Equatable {
        package var certificate: String
        package var key: String

        package init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    private let loop: TransferLoop

    package init(_ configuration: Configuration = Configuration()) {
        loop = TransferLoop(configuration)
    }

    deinit { loop.stop() }

    /// Sends a request and collects the whole response.
    package func send(_ request: HTTPRequest) async throws(HTTPClientError) -> HTTPResponse {
        let response = try await begin(request, isStream: false)
        let body = try await response.body.collect(upTo: request.maximumBodyBytes)
        return HTTPResponse(status: response.status, headers: response.headers, body: body)
    }

    /// Sends a request and returns as soon as the head of the response is there.
    package func stream(_ request: HTTPRequest) async throws(HTTPClientError) -> HTTPStreamingResponse {
        try await begin(request, isStream: true)
    }

    private func begin(_ request: HTTPRequest, isStream: Bool) async throws(HTTPClientError) -> HTTPStreamingResponse {
        try Self.check(request)
        let transfer = try loop.start(request, isStream: isStream)
        let body = HTTPBody(transfer, of: self)
        let head = try await transfer.head()
        return HTTPStreamingResponse(status: head.status, headers: head.headers, body: body)
    }

    private static func check(_ request: HTTPRequest) throws(HTTPClientError) {
        guard URLParts(request.url) != nil else {
            throw .invalidRequest(
                "'\(request.url)' is not a URL that can be asked: it must start with http:// or https://, name a host, and hold "
                    + "no spaces, user name or password.")
        }
        let token: (String) -> Bool = { !$0.isEmpty && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ":") } }
        guard token(request.method) else { throw .invalidRequest("'\(request.method)' is not an HTTP method.") }
        for field in request.headers.fields {
            guard token(field.name), field.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw .invalidRequest("The header field '\(field.name)' holds characters that are not allowed in one.")
            }
        }
    }
}
