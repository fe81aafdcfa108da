// SPDX-License-Identifier: Apache-2.0

import Postgres
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct ListenerTests {
    @Test func notificationsArriveInOrderAndAfterARestart() async throws {
        let server = try await PrivatePostgres.start()
        let pool = ConnectionPool(conninfo: server.conninfo(), size: 1, longestWait: .seconds(30))
        let listener = Listener(conninfo: server.conninfo(), channels: ["one", "Two"])
        var notifications = listener.notifications.makeAsyncIterator()
        #expect(await notifications.next() == Notification(channel: "one", payload: nil))
        #expect(await notifications.next() == Notification(channel: "Two", payload: nil))
        for index in 0..<100 { try await pool.script("SELECT pg_notify('one', '\(index)')") }
        for index in 0..<100 { #expect(await notifications.next() == Notification(channel: "one", payload: "\(index)")) }

        try await server.restart()
        #expect(await notifications.next() == Notification(channel: "one", payload: nil))
        #expect(await notifications.next() == Notification(channel: "Two", payload: nil))
        try await pool.script("SELECT pg_notify('Two', 'again')")
        #expect(await notifications.next() == Notification(channel: "Two", payload: "again"))

        listener.close()
        #expect(await notifications.next() == nil)
        try await server.stop()
    }
}
