// SPDX-License-Identifier: Apache-2.0

/// One event of a `text/event-stream`.
package struct ServerSentEvent: Sendable, Equatable {
    package var id: String?
    package var event: String
    package var data: String

    package init(id: String? = nil, event: String, data: String) {
        self.id = id
        self.event = event
        self.data = data
    }

    /// A line that clients ignore; it keeps proxies from closing a quiet connection.
    package static let heartbeat = ": still here\n\n"
    /// How long a client waits before it connects again.
    package static let retry = "retry: 2000\n\n"

    /// As sent. Line breaks of any kind in the data become several `data` lines, which the client joins by `\n`.
    package var text: String {
        let lines = data.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r" || $0 == "\r\n" }
        return (id.map { "id: \($0)\n" } ?? "") + "event: \(event)\n" + lines.map { "data: \($0)\n" }.joined() + "\n"
    }
}
