// SPDX-License-Identifier: Apache-2.0

internal import CPostgres
import Glibc
internal import Synchronization

/// What NOTIFY sent.
package struct Notification: Sendable, Equatable {
    package var channel: String
    /// `nil`: the connection was made, or made again, so that notifications may have been missed.
    package var payload: String?

    package init(channel: String, payload: String?) {
        self.channel = channel
        self.payload = payload
    }
}

/// Listens on channels over a connection of its own, and connects again when the server has gone away.
package final class Listener: Sendable {
    /// Newest last; when nobody reads for long, the oldest are dropped.
    package let notifications: AsyncStream<Notification>
    private let wakeUp: WakeUp

    package init(conninfo: String, channels: [String]) {
        let (stream, continuation) = AsyncStream.makeStream(of: Notification.self, bufferingPolicy: .bufferingNewest(10_000))
        notifications = stream
        let wakeUp = WakeUp()
        self.wakeUp = wakeUp
        continuation.onTermination = { _ in wakeUp.signal() }
        startThread {
            Self.listen(conninfo: conninfo, channels: channels, wakeUp: wakeUp, continuation: continuation)
            continuation.finish()
        }
    }

    deinit { close() }

    /// Ends the stream.
    package func close() { wakeUp.signal() }

    private static func listen(
        conninfo: String, channels: [String], wakeUp: WakeUp, continuation: AsyncStream<Notification>.Continuation
    ) {
        var backOff = BackOff()
        while !wakeUp.isSignalled {
            do throws(PostgresError) {
                let connection = try Connection(conninfo: conninfo)
                for channel in channels { try connection.script("LISTEN \"\(channel)\"") }
                backOff.reset()
                for channel in channels { continuation.yield(Notification(channel: channel, payload: nil)) }
                while connection.waitForInput(or: wakeUp.descriptor), PQconsumeInput(connection.handle) == 1 {
                    while let notify = PQnotifies(connection.handle) {
                        continuation.yield(
                            Notification(channel: String(cString: notify.pointee.relname), payload: String(cString: notify.pointee.extra)))
                        PQfreemem(notify)
                    }
                }
            } catch {
                // It shows as silence, which every reader must be able to bear; the pool reports that the server is away.
            }
            if !wakeUp.isSignalled { backOff.pause() }
        }
    }
}

extension Connection {
    /// Blocks until the server has sent something; false when the descriptor became readable instead.
    fileprivate func waitForInput(or descriptor: CInt) -> Bool {
        var descriptors = [
            pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0), pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&descriptors, 2, -1) < 0, errno == EINTR {}
        return descriptors[1].revents == 0
    }
}

/// Makes a thread that waits in `poll` return.
private final class WakeUp: Sendable {
    let descriptor: CInt
    private let writer: CInt
    private let signalled = Atomic(false)

    init() {
        var ends: [CInt] = [-1, -1]
        let status = pipe(&ends)
        precondition(status == 0, "no pipe can be made: error \(errno)")
        descriptor = ends[0]
        writer = ends[1]
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    }

    deinit {
        Glibc.close(descriptor)
        Glibc.close(writer)
    }

    var isSignalled: Bool { signalled.load(ordering: .acquiring) }

    func signal() {
        guard !signalled.exchange(true, ordering: .acquiringAndReleasing) else { return }
        var byte: UInt8 = 0
        _ = write(writer, &byte, 1)
    }
}
