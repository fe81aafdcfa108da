// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import WorkflowModel

extension Call {
    func json(_ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) throws -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        if headers[.cacheControl] == nil { headers[.cacheControl] = "no-store" }
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: try WireJSON.encode(value))))
    }

    /// The answer to a creation: 201, or 200 when the same was there before.
    func created(_ value: some Encodable, at path: String, status: HTTPResponse.Status) throws -> Response {
        try json(value, status: status, headers: [.location: location(path)])
    }

    /// Done; there is nothing to say.
    func done() -> Response { Response(status: .noContent, headers: [.cacheControl: "no-store"]) }

    /// With an entity tag; 304 when the client has this state already.
    ///
    /// - Parameter tag: absent: that of the bytes.
    func entity(_ value: some Encodable, tag: EntityTag? = nil) throws -> Response {
        let bytes = try WireJSON.encode(value)
        let tag = tag ?? EntityTag(of: bytes)
        var headers: HTTPFields = [.eTag: tag.description, .cacheControl: "private, no-cache"]
        if tag.matches(request.headers[values: .ifNoneMatch]) { return Response(status: .notModified, headers: headers) }
        headers[.contentType] = "application/json"
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    /// A page of a list, with the next page's address in `Link` (RFC 8288) too.
    func list<Item>(_ page: Page<Item>, cursor name: String = "cursor") throws -> Response {
        var headers: HTTPFields = [:]
        if let next = page.next {
            let items = query.items.filter { $0.name != name } + [(name, next)]
            let text = items.map { "\(PercentEncoding.encode($0.name))=\(PercentEncoding.encode($0.value))" }.joined(separator: "&")
            headers[.link] = "<\(api.access.publicURL ?? "")\(request.uri.path)?\(text)>; rel=\"next\""
        }
        return try json(page, headers: headers)
    }

    func text(_ text: String, type: String) -> Response {
        Response(status: .ok, headers: [.contentType: type], body: .init(byteBuffer: ByteBuffer(string: text)))
    }
}
