// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
package import WorkflowModel

/// What is to be started: one attempt, whose folder is complete (`RunFolder`).
package struct Launch: Sendable, Equatable {
    package var run: RunID
    package var attempt: Int
    package var ranks: Int
    package var folder: RunFolder

    package init(run: RunID, attempt: Int, ranks: Int, folder: RunFolder) {
        self.run = run
        self.attempt = attempt
        self.ranks = ranks
        self.folder = folder
    }
}

/// What a backend sees of a launch.
package enum LaunchStatus: Sendable, Equatable {
    /// Nothing was started yet, or not far enough to leave a trace.
    case absent
    case running
    /// The launcher ended with this status (128 + n: by signal n).
    case exited(Int)
    /// The launcher is gone without an exit status: killed, or the host restarted.
    case vanished
}

package struct BackendError: Error, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

/// Turns a placement into something that an engine which the site trusts runs. A backend keeps no state of its own: all it
/// knows of a launch is in the attempt's folder, so that any server can go on after a crash. Where something cannot be looked
/// at, it throws: only what is known to be gone is told as gone.
package protocol Backend: Sendable {
    /// Starts the ranks. Calling it again for the same folder starts nothing twice.
    func launch(_ launch: Launch) throws(BackendError)
    func observe(_ launch: Launch) throws(BackendError) -> LaunchStatus
    /// Makes sure that nothing starts any more.
    /// - Returns: `false` when it has started already.
    func withdraw(_ launch: Launch) throws(BackendError) -> Bool
    /// When the launcher ended, where it said so.
    func endedAt(_ launch: Launch) -> Date?
    /// Asks the ranks to end; with `force`, ends every process of the attempt at once.
    /// - Returns: number of processes that were still there.
    @discardableResult
    func stop(_ launch: Launch, force: Bool) throws(BackendError) -> Int
    /// Why a launch failed, from what its launcher printed, where no rank could tell.
    func explain(_ launch: Launch, status: LaunchStatus, plan: Plan, graph: WorkflowGraph) -> FailureReport
}
