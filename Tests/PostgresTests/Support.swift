// SPDX-License-Identifier: Apache-2.0

import Postgres
import Synchronization
import TestSupport

/// A pool on a new, empty database.
func freshPool(size: Int = 3, longestWait: Duration = .seconds(20), statementTimeout: Duration = .zero) async throws -> ConnectionPool {
    let server = try await PrivatePostgres.shared
    return ConnectionPool(
        conninfo: server.conninfo(database: try await server.createDatabase()), size: size, longestWait: longestWait,
        statementTimeout: statementTimeout)
}

extension ConnectionPool {
    func script(_ sql: String) async throws { try await run { connection in try connection.script(sql) } }

    /// The one value of a statement's one row.
    func value<Value: PostgresDecodable & Sendable>(
        _ sql: String, _ values: [PostgresValue] = [], as: Value.Type = Value.self
    ) async throws -> Value {
        try await run { connection in
            guard let row = try connection.query(sql, values).first else { throw PostgresError(.value, "no row") }
            return try row.value("value")
        }
    }
}

/// What one task tells another.
final class Shared<Value: Sendable>: Sendable {
    private let contents: Mutex<Value>

    init(_ value: Value) { contents = Mutex(value) }

    var value: Value {
        get { contents.withLock { $0 } }
        set { contents.withLock { $0 = newValue } }
    }

    func update(_ body: (inout Value) -> Void) { contents.withLock { body(&$0) } }
}
