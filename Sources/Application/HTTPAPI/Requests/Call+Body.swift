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
        try BodyDecoder.decode(type, from: try await bodyBytes())
    }

    /// `nil` where there is none.
    func optionalBody<Document: RequestDocument>(_ type: Document.Type = Document.self) async throws -> Document? {
        let bytes = try await bodyBytes()
        return bytes.isEmpty ? nil : try BodyDecoder.decode(type, from: bytes)
    }

    private func bodyBytes() async throws -> ByteBufferView {
        let limit = api.configuration.maximumBody
        let buffer: ByteBuffer
        do {
            buffer = try await request.body.collect(upTo: limit)
        } catch is NIOTooManyBytesError {
            throw Problem(.tooLarge, "The body is longer than this server accepts, which is \(limit) bytes.")
        } catch {
            throw BrokenBody(cause: error)
        }
        return buffer.readableBytesView
    }
}
