// SPDX-License-Identifier: Apache-2.0

package import HTTPTypes
package import Hummingbird
package import WorkflowModel

/// A problem with the headers that its answer needs, as a challenge or `Allow`.
struct Refusal: Error {
    var problem: Problem
    var headers: HTTPFields = [:]
}

extension Response {
    /// `application/problem+json` (RFC 9457).
    package static func problem(_ problem: Problem, headers: HTTPFields = [:]) -> Response {
        // Only strings and integers are encoded, which cannot fail.
        let body = (try? WireJSON.encode(problem)) ?? []
        var response = Response(
            status: .init(code: problem.kind.status), headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
        response.headers[.contentType] = "application/problem+json"
        response.headers[.cacheControl] = "no-store"
        if problem.kind == .unavailable || problem.kind == .tooManyRequests { response.headers[.retryAfter] = "5" }
        return response
    }
}
