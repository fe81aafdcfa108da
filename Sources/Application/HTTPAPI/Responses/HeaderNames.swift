// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

extension HTTPField.Name {
    // Each is a valid token of RFC 9110, of which the initialiser makes sure.
    static let contentTypeOptions = HTTPField.Name("X-Content-Type-Options")!
    static let accelBuffering = HTTPField.Name("X-Accel-Buffering")!
    static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
    static let lastEventID = HTTPField.Name("Last-Event-ID")!
    static let link = HTTPField.Name("Link")!
    static let requestID = HTTPField.Name("X-Request-ID")!
}
