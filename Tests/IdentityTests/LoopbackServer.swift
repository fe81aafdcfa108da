// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Synchronization

/// A small HTTP server whose handler decides every byte: a thread for each connection, one request on each.
final class LoopbackServer: Sendable {
    struct Request: Sendable {
        var method: String
        var path: String
        var head: String
        var body: [UInt8]
    }

    struct Connection: Sendable {
        let descriptor: CInt

        /// The number of bytes that went out before the peer closed the connection, or took none for `patience` seconds.
        @discardableResult
        func send(_ bytes: some RandomAccessCollection<UInt8>, patience: Int = 0) -> Int {
            let bytes = Array(bytes)
            var patience = timeval(tv_sec: patience, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
            var sent = 0
            while sent < bytes.count {
                let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
                guard count > 0 else { break }
                sent += count
            }
            return sent
        }

        func send(_ text: String) { send(Array(text.utf8)) }

        func respond(_ status: Int = 200, headers: [String] = [], body: String = "") {
            let lines = ["HTTP/1.1 \(status) Status", "Content-Length: \(body.utf8.count)", "Connection: close"] + headers
            send(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
        }

        /// Returns when the peer closes the connection.
        func waitForClose() {
            var byte: UInt8 = 0
            while recv(descriptor, &byte, 1, 0) > 0 {}
        }
    }

    let port: Int
    private let listener: CInt
    private let hits = Mutex<[String: Int]>([:])
    private let handler: @Sendable (Request, Connection) -> Void

    init(_ handler: @escaping @Sendable (Request, Connection) -> Void) throws {
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isListening = withUnsafeMutableBytes(of: &address) { bytes in
            guard let pointer = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return false }
            return bind(listener, pointer, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, pointer, &length) == 0
        }
        guard isListening else { throw CocoaError(.fileWriteUnknown) }
        port = Int(UInt16(bigEndian: address.sin_port))
        self.handler = handler
        Thread.detachNewThread { [self] in
            while case let descriptor = accept(listener, nil, nil), descriptor >= 0 {
                Thread.detachNewThread { [self] in
                    serve(Connection(descriptor: descriptor))
                    close(descriptor)
                }
            }
            // Not before: as long as this thread may ask it for a connection, nobody else shall get its number.
            close(listener)
        }
    }

    var url: String { "http://127.0.0.1:\(port)" }

    func hits(_ path: String) -> Int { hits.withLock { $0[path] ?? 0 } }

    /// Further connections are refused.
    func stop() {
        shutdown(listener, CInt(SHUT_RDWR))
    }

    private func serve(_ connection: Connection) {
        var received: [UInt8] = []
        var end: Range<Int>?
        while end == nil {
            guard read(connection, &received) else { return }
            end = received.firstRange(of: Array("\r\n\r\n".utf8))
        }
        guard let end else { return }
        let head = String(decoding: received[..<end.lowerBound], as: UTF8.self)
        let length = head.lowercased().firstMatch(of: /content-length: (\d+)/).flatMap { Int($0.1) } ?? 0
        while received.count < end.upperBound + length {
            guard read(connection, &received) else { return }
        }
        let words = head.split(separator: "\r\n")[0].split(separator: " ")
        let path = String(words[1].prefix { $0 != "?" })
        hits.withLock { $0[path, default: 0] += 1 }
        handler(Request(method: String(words[0]), path: path, head: head, body: Array(received[end.upperBound...])), connection)
    }

    private func read(_ connection: Connection, _ received: inout [UInt8]) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(connection.descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return false }
        received += buffer[..<count]
        return true
    }
}

/// Something that happens once, to be waited for from a task and signalled from any thread.
final class Signal<Value: Sendable>: Sendable {
    private let stream: AsyncStream<Value>
    private let continuation: AsyncStream<Value>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func send(_ value: Value) { continuation.yield(value) }

    /// Nil when nothing came in time.
    func value(seconds: Double = 10) async -> Value? {
        let timeout = Task {
            try await Task.sleep(for: .seconds(seconds))
            continuation.finish()
        }
        defer { timeout.cancel() }
        return await stream.first { _ in true }
    }
}
