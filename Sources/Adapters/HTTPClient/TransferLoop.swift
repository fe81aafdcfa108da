// SPDX-License-Identifier: Apache-2.0

import CNetwork
import Glibc
import Synchronization

/// A libcurl multi handle and the one thread that drives it. Everything libcurl happens on that thread, so that no task ever
/// blocks; other threads only leave commands and wake it.
final class TransferLoop: Sendable {
    enum Command: Sendable {
        case start(Transfer)
        case resume(Transfer)
        case cancel(Transfer)
        case stop
    }

    private let configuration: HTTPClient.Configuration
    private let commands = Mutex<[Command]>([])
    private let underWay = Atomic<Int>(0)
    /// Used by the loop's thread only, but for `weft_loop_wake`, which libcurl allows from anywhere. Freed in `deinit`, when
    /// the thread, which holds a reference to this object, has ended.
    private nonisolated(unsafe) let handle: OpaquePointer

    init(_ configuration: HTTPClient.Configuration) {
        guard let handle = weft_loop_new(configuration.maximumConnections) else { fatalError("libcurl cannot start: out of memory") }
        self.handle = handle
        self.configuration = configuration
        var thread = pthread_t()
        let created = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<TransferLoop>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(created == 0, "the system refuses another thread (error \(created))")
        pthread_detach(thread)
    }

    deinit { weft_loop_free(handle) }

    func start(_ request: HTTPRequest, isStream: Bool) throws(HTTPClientError) -> Transfer {
        let limit = configuration.maximumRequests
        guard underWay.add(1, ordering: .relaxed).newValue <= limit else {
            underWay.subtract(1, ordering: .relaxed)
            throw .tooManyRequests(limit: limit)
        }
        let transfer = Transfer(request, isStream: isStream) { [weak self] in self?.send($0) }
        send(.start(transfer))
        return transfer
    }

    func stop() { send(.stop) }

    private func send(_ command: Command) {
        commands.withLock { $0.append(command) }
        weft_loop_wake(handle)
    }

    // MARK: Loop thread

    private func run() {
        var active: [ObjectIdentifier: (transfer: Transfer, handle: OpaquePointer)] = [:]
        func remove(_ transfer: Transfer) {
            guard let entry = active.removeValue(forKey: ObjectIdentifier(transfer)) else { return }
            weft_loop_remove(handle, entry.handle)
            weft_transfer_free(entry.handle)
            underWay.subtract(1, ordering: .relaxed)
        }
        while true {
            let received = commands.withLock { commands in
                defer { commands = [] }
                return commands
            }
            for command in received {
                switch command {
                case .start(let transfer):
                    guard let new = makeHandle(transfer) else {
                        underWay.subtract(1, ordering: .relaxed)
                        transfer.ended(.failure(.invalidRequest("libcurl refuses the request to '\(transfer.shownURL)'.")))
                        continue
                    }
                    active[ObjectIdentifier(transfer)] = (transfer, new)
                    if weft_loop_add(handle, new) != 0 {
                        transfer.ended(.failure(.cannotConnect(url: transfer.shownURL, reason: "libcurl is out of memory")))
                        remove(transfer)
                    }
                case .resume(let transfer):
                    if let entry = active[ObjectIdentifier(transfer)] { weft_transfer_resume(entry.handle) }
                case .cancel(let transfer):
                    remove(transfer)
                case .stop:
                    for entry in active.values {
                        entry.transfer.ended(.failure(.cancelled))
                        remove(entry.transfer)
                    }
                    return
                }
            }
            weft_loop_perform(handle)
            var end = WEFT_END_COMPLETE
            var reason: UnsafePointer<CChar>?
            while let ended = weft_loop_ended(handle, &end, &reason) {
                guard let entry = active.values.first(where: { $0.handle == ended }) else { continue }
                entry.transfer.ended(Self.result(of: entry.transfer, end, reason.map { String(cString: $0) } ?? "unknown error"))
                remove(entry.transfer)
            }
            weft_loop_wait(handle)
        }
    }

    private static func result(of transfer: Transfer, _ end: weft_end, _ reason: String) -> Result<Void, HTTPClientError> {
        let url = transfer.shownURL
        return switch end {
        case WEFT_END_COMPLETE: .success(())
        case WEFT_END_TIMED_OUT: .failure(.timedOut(url: url, reason: reason))
        case WEFT_END_INTERRUPTED: .failure(.interrupted(url: url, reason: reason))
        default: .failure(.cannotConnect(url: url, reason: reason))
        }
    }

    private func makeHandle(_ transfer: Transfer) -> OpaquePointer? {
        let request = transfer.request
        var fields = request.headers.fields.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
        // libcurl adds these unless told otherwise: a form's content type, and a wait for "100 Continue".
        if request.headers["Content-Type"] == nil { fields.append("Content-Type:") }
        if request.headers["Expect"] == nil { fields.append("Expect:") }
        if request.headers["User-Agent"] == nil { fields.append("User-Agent: \(configuration.userAgent)") }
        let lines = fields.map { strdup($0) }
        defer { for line in lines { free(line) } }

        let milliseconds = max(1, request.timeout.milliseconds)
        let seconds = max(1, (milliseconds + 999) / 1000)
        // The transfer outlives the handle: it stays in `active` until the handle is freed.
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        var texts: [UnsafeMutablePointer<CChar>?] = []
        defer { for text in texts { free(text) } }
        func copied(_ text: String?) -> UnsafePointer<CChar>? {
            guard let text else { return nil }
            texts.append(strdup(text))
            return texts.last.flatMap { UnsafePointer($0) }
        }
        return request.body.withUnsafeBytes { body in
            lines.map { UnsafePointer($0) }.withUnsafeBufferPointer { headers in
                var options = weft_transfer_options()
                options.method = copied(request.method)
                options.url = copied(request.url)
                options.headers = headers.baseAddress
                options.header_count = headers.count
                options.body = body.baseAddress
                options.body_length = body.count
                options.connect_timeout_ms = min(milliseconds, max(1, request.connectTimeout.milliseconds))
                options.timeout_ms = transfer.isStream ? 0 : milliseconds
                options.idle_timeout_s = transfer.isStream ? seconds : 0
                options.ca_file = copied(configuration.caFile)
                options.authorities = copied(configuration.authorities)
                options.certificate = copied(configuration.identity?.certificate)
                options.key = copied(configuration.identity?.key)
                options.no_proxy = URLParts(request.url)?.isLoopback == true ? 1 : 0
                options.context = context
                options.on_header = { context, line, length in
                    Transfer.from(context)?.received(headerLine: UnsafeRawBufferPointer(start: line, count: length))
                }
                options.on_body = { context, bytes, length in
                    let bytes = UnsafeRawBufferPointer(start: bytes, count: length)
                    return Int32(Transfer.from(context)?.received(body: bytes) ?? WEFT_BODY_REFUSED)
                }
                return weft_transfer_new(&options)
            }
        }
    }
}

extension Transfer {
    fileprivate static func from(_ context: UnsafeMutableRawPointer?) -> Transfer? {
        context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
    }
}

extension Duration {
    fileprivate var milliseconds: Int { Int(components.seconds) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000) }
}
