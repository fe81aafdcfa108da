// SPDX-License-Identifier: Apache-2.0

/// Why the server did not start, or ended, and the status it ends with.
package struct StartFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// After sysexits.h.
    package enum Status: Int32, Sendable {
        case software = 1
        /// The database or the address cannot be had.
        case unavailable = 69
        case cannotCreate = 73
        case configuration = 78
    }

    package var status: Status
    package var description: String

    init(_ status: Status, _ description: String) {
        self.status = status
        self.description = description
    }
}
