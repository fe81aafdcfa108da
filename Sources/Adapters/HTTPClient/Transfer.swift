// SPDX-License-Identifier: Apache-2.0

import CNetwork
import Synchronization

/// One exchange, seen from both sides: the transfer thread delivers into it, one task reads from it.
final class Transfer: Sendable {
    /// Bytes that may wait for the reader before the connection is held back.
    static let highWater = 256 << 10

    let request: HTTPRequest
    /// Whether the request's timeout bounds silences instead of the whole exchange.
    let isStream: Bool
    private let state = Mutex(State())
    /// How the reader asks the transfer thread for something.
    private let notify: @Sendable (TransferLoop.Command) -> Void

    private struct State {
        var head: (status: Int, headers: HTTPHeaders)?
        var body: [UInt8] = []
        var end: Result<Void, HTTPClientError>?
        /// The head under way; of several (100 Continue, 103 Early Hints) the last counts.
        var status = 0
        var headers = HTTPHeaders()
        var isPaused = false
        var hasNews = false
        var reader: CheckedContinuation<Void, Never>?
    }

    init(_ request: HTTPRequest, isStream: Bool, notify: @escaping @Sendable (TransferLoop.Command) -> Void) {
        self.request = request
        self.isStream = isStream
        self.notify = notify
    }

    // MARK: Reader

    /// Waits for the head of the response.
    func head() async throws(HTTPClientError) -> (status: Int, headers: HTTPHeaders) {
        try await wait { state in
            if let head = state.head { return .success(head) }
            return state.end.map { end in end.flatMap { .failure(.interrupted(url: self.shownURL, reason: "it sent no response")) } }
        }.get()
    }

    /// The bytes that have come since the last call, or nil at the end of the body.
    func next() async throws(HTTPClientError) -> [UInt8]? {
        let chunk: [UInt8]? = try await wait { state in
            if case .failure(.cancelled) = state.end { return .failure(.cancelled) }
            guard state.body.isEmpty else {
                defer { state.body = [] }
                return .success(state.body)
            }
            return state.end.map { $0.map { nil } }
        }.get()
        let wasPaused = state.withLock { state in
            defer { state.isPaused = false }
            return state.isPaused
        }
        if wasPaused { notify(.resume(self)) }
        return chunk
    }

    /// Closes the connection, if the response has not ended yet.
    func cancel() {
        let isOpen = state.withLock { state in
            guard state.end == nil else { return false }
            state.end = .failure(.cancelled)
            return true
        }
        if isOpen {
            wakeReader()
            notify(.cancel(self))
        }
    }

    private func wait<Value>(
        until ready: (inout State) -> Result<Value, HTTPClientError>?
    ) async -> Result<Value, HTTPClientError> {
        await withTaskCancellationHandler {
            while true {
                if let value = state.withLock({ state in ready(&state) }) { return value }
                await withCheckedContinuation { continuation in
                    let isNews = state.withLock { state in
                        if !state.hasNews { state.reader = continuation }
                        defer { state.hasNews = false }
                        return state.hasNews
                    }
                    if isNews { continuation.resume() }
                }
            }
        } onCancel: {
            cancel()
        }
    }

    private func wakeReader() {
        let reader = state.withLock { state in
            defer { state.reader = nil }
            state.hasNews = state.reader == nil
            return state.reader
        }
        reader?.resume()
    }

    // MARK: Transfer thread

    func received(headerLine bytes: UnsafeRawBufferPointer) {
        let line = String(decoding: bytes, as: UTF8.self).trimmed
        let isComplete = state.withLock { state in
            if line.isEmpty {
                guard state.status >= 200 else { return false }
                state.head = (state.status, state.headers)
                return true
            }
            if line.hasPrefix("HTTP/") {
                state.status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
                state.headers = HTTPHeaders()
            } else if let colon = line.firstIndex(of: ":"), state.head == nil {
                state.headers.add(String(line[..<colon]), String(line[line.index(after: colon)...]).trimmed)
            }
            return false
        }
        if isComplete { wakeReader() }
    }

    func received(body bytes: UnsafeRawBufferPointer) -> Int {
        let answer = state.withLock { state in
            guard state.end == nil else { return WEFT_BODY_REFUSED }
            guard state.body.count < Self.highWater else {
                state.isPaused = true
                return WEFT_BODY_PAUSE
            }
            state.body.append(contentsOf: bytes)
            return WEFT_BODY_TAKEN
        }
        wakeReader()
        return answer
    }

    func ended(_ end: Result<Void, HTTPClientError>) {
        state.withLock { if $0.end == nil { $0.end = end } }
        wakeReader()
    }

    /// The URL as it may be shown and logged.
    var shownURL: String { String(request.url.prefix { $0 != "?" && $0 != "#" }) }
}

extension String {
    fileprivate var trimmed: String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0.isNewline }
        return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}
