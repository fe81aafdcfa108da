// SPDX-License-Identifier: Apache-2.0

/// One event of a `text/event-stream`.
package struct ServerSentEvent: Sendable, Hashable {
    /// The last id seen so far; sent as `Last-Event-ID` to resume after this event.
    package var id: String?
    package var event: String
    package var data: String

    package init(id: String? = nil, event: String = "message", data: String) {
        self.id = id
        self.event = event
        self.data = data
    }
}

/// Cuts a `text/event-stream` into events (HTML standard, "Server-sent events"). Bytes may come in pieces of any size.
package struct ServerSentEventParser: Sendable {
    /// An event, or a line, grew past the limit.
    package struct TooLarge: Error, Sendable, Hashable, CustomStringConvertible {
        package var limit: Int
        package var description: String { "The server sent an event larger than \(limit) bytes." }
    }

    package private(set) var lastEventID: String?
    /// How long the server asks to wait before reconnecting.
    package private(set) var retry: Duration?

    private let limit: Int
    private var line: [UInt8] = []
    private var isFirstLine = true
    private var previousWasCR = false
    private var event = ""
    private var data: [String] = []
    private var dataBytes = 0

    package init(maximumEventBytes: Int = 4 << 20) { limit = maximumEventBytes }

    /// Takes the next bytes and returns the events they complete.
    package mutating func append(_ bytes: some Sequence<UInt8>) throws(TooLarge) -> [ServerSentEvent] {
        var events: [ServerSentEvent] = []
        for byte in bytes {
            // A line ends with CR, LF or both; the LF of a pair may come with the next bytes.
            if byte == UInt8(ascii: "\n"), previousWasCR {
                previousWasCR = false
                continue
            }
            previousWasCR = byte == UInt8(ascii: "\r")
            if previousWasCR || byte == UInt8(ascii: "\n") {
                if let event = endLine() { events.append(event) }
            } else {
                line.append(byte)
                guard line.count + dataBytes <= limit else { throw TooLarge(limit: limit) }
            }
        }
        return events
    }

    private mutating func endLine() -> ServerSentEvent? {
        defer { line.removeAll(keepingCapacity: true) }
        if isFirstLine {
            isFirstLine = false
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        }
        guard !line.isEmpty else { return dispatch() }
        let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        var value = parts.count == 2 ? parts[1] : []
        if value.first == UInt8(ascii: " ") { value.removeFirst() }
        let text = String(decoding: value, as: UTF8.self)
        switch String(decoding: parts[0], as: UTF8.self) {
        case "event": event = text
        case "data":
            data.append(text)
            dataBytes += value.count + 1
        case "id":
            if !value.contains(0) { lastEventID = text.isEmpty ? nil : text }
        case "retry":
            if value.allSatisfy({ (0x30...0x39).contains($0) }), let milliseconds = Int(text) { retry = .milliseconds(milliseconds) }
        default: break
        }
        return nil
    }

    private mutating func dispatch() -> ServerSentEvent? {
        defer {
            event = ""
            data = []
            dataBytes = 0
        }
        guard !data.isEmpty else { return nil }
        return ServerSentEvent(id: lastEventID, event: event.isEmpty ? "message" : event, data: data.joined(separator: "\n"))
    }
}
