// SPDX-License-Identifier: Apache-2.0

/// The body of a streaming response, in the pieces it comes in. Read once, by one task; a slow reader holds the sender back.
/// Cancelling the reading task, or letting go of the body, closes the connection.
package struct HTTPBody: AsyncSequence, Sendable {
    package typealias Element = [UInt8]
    package typealias Failure = HTTPClientError

    /// Ends the transfer with its last holder.
    fileprivate final class Reader: Sendable {
        let transfer: Transfer
        /// Keeps the transfer thread alive while the body is read.
        let client: HTTPClient

        init(_ transfer: Transfer, _ client: HTTPClient) {
            self.transfer = transfer
            self.client = client
        }

        deinit { transfer.cancel() }
    }

    private let reader: Reader

    init(_ transfer: Transfer, of client: HTTPClient) {
        reader = Reader(transfer, client)
    }

    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let reader: Reader

        package mutating func next() async throws(HTTPClientError) -> [UInt8]? {
            try await reader.transfer.next()
        }

        package mutating func next(isolation actor: isolated (any Actor)?) async throws(HTTPClientError) -> [UInt8]? {
            try await reader.transfer.next()
        }
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(reader: reader) }

    /// The whole body, refused when it is larger than `limit`.
    package func collect(upTo limit: Int) async throws(HTTPClientError) -> [UInt8] {
        var bytes: [UInt8] = []
        while let chunk = try await reader.transfer.next() {
            guard bytes.count + chunk.count <= limit else { throw .tooLarge(url: reader.transfer.shownURL, limit: limit) }
            bytes += chunk
        }
        return bytes
    }
}
