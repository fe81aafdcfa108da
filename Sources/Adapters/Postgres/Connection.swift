// SPDX-License-Identifier: Apache-2.0

internal import CPostgres
import Glibc

/// One connection to PostgreSQL. Its calls block, so it lives on a thread of its own (``ConnectionPool``) and never leaves it.
package final class Connection {
    let handle: OpaquePointer
    let canceller: Canceller
    /// Names of the prepared statements by their text.
    private var prepared: [String: String] = [:]
    private static let maximumPrepared = 500

    /// - Parameter conninfo: as libpq takes it, `host=/run/postgresql dbname=weft` or a URI.
    init(conninfo: String, statementTimeout: Duration = .zero) throws(PostgresError) {
        // What stands before `dbname` gives way to what the conninfo says, what stands after it does not.
        let parameters = [
            ("fallback_application_name", "weft"), ("connect_timeout", "10"), ("tcp_user_timeout", "15000"), ("dbname", conninfo),
            ("client_encoding", "UTF8"),
        ]
        guard let handle = Self.open(parameters) else { throw PostgresError(.connection, "out of memory for a connection") }
        guard PQstatus(handle) == CONNECTION_OK, let cancel = PQgetCancel(handle) else {
            var error = PostgresError(connection: handle)
            error.kind = .connection
            PQfinish(handle)
            throw error
        }
        self.handle = handle
        canceller = Canceller(cancel)
        // Notices would go to standard error.
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
        // Plans are made for the values at hand: optional filters ($1 IS NULL OR …) would make general plans poor ones.
        try script(
            """
            SET timezone = 'UTC'; SET datestyle = 'ISO'; SET plan_cache_mode = 'force_custom_plan';
            SET statement_timeout = \(statementTimeout.milliseconds)
            """)
    }

    deinit { PQfinish(handle) }

    private static func open(_ parameters: [(String, String)]) -> OpaquePointer? {
        let keywords = parameters.map { strdup($0.0) }
        let values = parameters.map { strdup($0.1) }
        defer { (keywords + values).forEach { free($0) } }
        let constantKeywords = keywords.map { UnsafePointer($0) } + [nil]
        let constantValues = values.map { UnsafePointer($0) } + [nil]
        return PQconnectdbParams(constantKeywords, constantValues, 1)
    }

    var isLost: Bool { PQstatus(handle) == CONNECTION_BAD }

    /// Whether the server has closed an idle connection, as at a restart: then its end of stream waits to be read.
    var hasEndedWhileIdle: Bool {
        var descriptor = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
        while poll(&descriptor, 1, 0) > 0 {
            guard PQconsumeInput(handle) == 1, !isLost else { return true }
            // Something was there and the connection stands: a notice, or a parameter that changed.
            descriptor.revents = 0
        }
        return isLost
    }

    // MARK: Statements

    /// Runs one statement with parameters `$1`, `$2`, …; it is prepared at its first use on this connection.
    @discardableResult
    package func query(_ sql: String, _ values: [PostgresValue] = []) throws(PostgresError) -> Rows {
        let name = try prepare(sql)
        return try rows(
            try values.withParameters { count, values, lengths, formats in
                PQexecPrepared(handle, name, count, values, lengths, formats, 0)
            })
    }

    /// Runs several statements separated by semicolons, without parameters.
    package func script(_ sql: String) throws(PostgresError) { _ = try rows(PQexec(handle, sql)) }

    private func prepare(_ sql: String) throws(PostgresError) -> String {
        if let name = prepared[sql] { return name }
        if prepared.count >= Self.maximumPrepared {
            try script("DEALLOCATE ALL")
            prepared.removeAll()
        }
        let name = "s\(prepared.count)"
        _ = try rows(PQprepare(handle, name, sql, 0, nil))
        prepared[sql] = name
        return name
    }

    private func rows(_ result: OpaquePointer?) throws(PostgresError) -> Rows {
        guard let result else { throw PostgresError(connection: handle) }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: return Rows(result)
        default:
            let error = PostgresError(result: result, connection: handle)
            PQclear(result)
            throw error
        }
    }

    // MARK: Transactions

    package enum Isolation: String, Sendable {
        case readCommitted = "READ COMMITTED"
        /// Everything is read as of one moment.
        case repeatableRead = "REPEATABLE READ"
    }

    /// Commits what `body` does when it returns, and takes it back when it throws.
    package func transaction<Result>(
        _ isolation: Isolation = .readCommitted, _ body: (Connection) throws -> Result
    ) throws -> Result {
        try script("BEGIN ISOLATION LEVEL \(isolation.rawValue)")
        do {
            let result = try body(self)
            try script("COMMIT")
            return result
        } catch {
            // On a lost connection there is nothing to take back.
            if !isLost { try? script("ROLLBACK") }
            throw error
        }
    }

    // MARK: Bulk

    /// Loads rows by COPY in binary form, the fastest way in.
    ///
    /// - Parameter fill: writes the rows; they are sent as the buffer fills. When it throws, the COPY fails and so does the
    ///   transaction around it.
    package func copyIn(_ table: String, _ columns: [String], _ fill: (inout CopyBuffer) throws -> Void) throws {
        let sql = "COPY \(table) (\(columns.joined(separator: ", "))) FROM STDIN (FORMAT binary)"
        guard let start = PQexec(handle, sql) else { throw PostgresError(connection: handle) }
        defer { PQclear(start) }
        guard PQresultStatus(start) == PGRES_COPY_IN else { throw PostgresError(result: start, connection: handle) }
        do {
            var buffer = CopyBuffer(connection: handle, columns: columns.count)
            try fill(&buffer)
            try buffer.finish()
        } catch {
            let ended = PQputCopyEnd(handle, "the program gave up") == 1
            let reason = ended ? Result { try drain() } : .success(())
            // The server's own reason (a type or a constraint) says more than that a write failed.
            if error is PostgresError, case .failure(let server as PostgresError) = reason, server.sqlState != "57014" { throw server }
            throw error
        }
        guard PQputCopyEnd(handle, nil) == 1 else { throw PostgresError(connection: handle) }
        try drain()
    }

    /// Reads results to the last; throws the first error among them.
    private func drain() throws(PostgresError) {
        var failure: PostgresError?
        while let result = PQgetResult(handle) {
            defer { PQclear(result) }
            if PQresultStatus(result) != PGRES_COMMAND_OK, failure == nil {
                failure = PostgresError(result: result, connection: handle)
            }
        }
        if let failure { throw failure }
    }
}

/// Asks the server, over a connection of its own, to end what the connection is doing. libpq documents `PQcancel` as safe to
/// call from any thread, and the handle is never changed: so it may be shared.
final class Canceller: @unchecked Sendable {
    private let handle: OpaquePointer

    init(_ handle: OpaquePointer) { self.handle = handle }

    deinit { PQfreeCancel(handle) }

    func cancel() {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { message in
            _ = PQcancel(handle, message.baseAddress, 256)
        }
    }
}

extension Duration {
    var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
