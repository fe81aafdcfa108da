// SPDX-License-Identifier: Apache-2.0

/// A worker process could not be started.
package struct SpawnFailure: Error, Sendable {
    package enum Cause: Sendable {
        case interpreter
        case directory
        /// The system refused a process, a socket or a pipe.
        case system
    }

    package var worker: Int
    package var cause: Cause
    /// The interpreter or the directory.
    package var path: String
    /// What `errno` says.
    package var reason: String
}
