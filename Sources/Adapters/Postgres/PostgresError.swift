// SPDX-License-Identifier: Apache-2.0

internal import CPostgres

/// What the database, or the way to it, said went wrong.
package struct PostgresError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// The server refused a statement.
        case statement
        /// The server could not be reached, or the connection ended under a statement. Whether a COMMIT that was under way
        /// took effect is unknown then.
        case connection
        /// No connection was free, or could be made, in time.
        case busy
        /// The pool has been closed.
        case closed
        /// A value cannot be sent, or is not what the program takes it for.
        case value
        /// The database's schema and the program do not belong together.
        case schema
    }

    package var kind: Kind
    package var message: String
    /// The five characters that the server sent.
    package var sqlState: String?
    package var detail: String?

    package init(_ kind: Kind, _ message: String, sqlState: String? = nil, detail: String? = nil) {
        self.kind = kind
        self.message = message
        self.sqlState = sqlState
        self.detail = detail
    }

    /// The same call may succeed later, unchanged.
    package var isUnavailable: Bool {
        switch kind {
        case .connection, .busy, .closed: true
        case .statement, .value, .schema: false
        }
    }

    /// The transaction lost against another one; doing it again from the beginning is the remedy.
    package var isSerializationFailure: Bool { sqlState == "40001" || sqlState == "40P01" }

    package var description: String {
        message + (detail.map { " (\($0))" } ?? "") + (sqlState.map { " [SQLSTATE \($0)]" } ?? "")
    }
}

extension PostgresError {
    /// The connection's last error. libpq's text lives only until its next call, so it is copied here.
    init(connection: OpaquePointer) {
        let message = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
        let lost = PQstatus(connection) == CONNECTION_BAD
        self.init(lost ? .connection : .statement, message.isEmpty ? "the connection to PostgreSQL failed" : message.singleLine)
    }

    init(result: OpaquePointer, connection: OpaquePointer) {
        func field(_ code: Unicode.Scalar) -> String? {
            PQresultErrorField(result, CInt(code.value)).map { String(cString: $0) }
        }
        let state = field("C")
        // Class 08: connection exceptions. 57P01 to 57P03: the server shuts down, has crashed, or starts.
        let lost =
            PQstatus(connection) == CONNECTION_BAD || state?.hasPrefix("08") == true
            || ["57P01", "57P02", "57P03"].contains(state)
        let whole = PQresultErrorMessage(result).map { String(cString: $0) } ?? ""
        self.init(lost ? .connection : .statement, (field("M") ?? whole).singleLine, sqlState: state, detail: field("D"))
    }
}

extension String {
    fileprivate var singleLine: String { split(whereSeparator: \.isNewline).joined(separator: " ") }
}
