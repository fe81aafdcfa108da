// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import NIOCore
import WorkflowModel

/// The connection broke while the body was read: there is nobody to answer.
struct BrokenBody: Error {
    var cause: any Error
}

extension Call {
    func body<Document: RequestDocument>(_ type: Document.Type = Document.self) async throws -> Document {
        let limit = api.configuration.maximumBody
        let buffer: ByteBuffer
        do {
            buffer = try await request.body.collect(upTo: limit)
        } catch is NIOTooManyBytesError {
            throw Problem(.tooLarge, "The body is longer than this server accepts, which is \(limit) bytes.")
        } catch {
            throw BrokenBody(cause: error)
        }
        return try BodyDecoder.decode(type, from: buffer.readableBytesView)
    }
}
