// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Where the cluster's engine has a queue of its own, it orders and places; Weft hands runs over in the order of their submission, and
/// only so many at a time.
package enum EngineQueue {
    /// - Parameters:
    ///   - jobs: that the engine has.
    /// - Returns: how many of `waiting` runs are handed over now, and what the others wait for.
    package static func decide(waiting: Int, jobs: Int, maximumJobs: Int) -> (starting: Int, pending: [Pending]) {
        let starting = min(waiting, max(0, maximumJobs - jobs))
        let reason = "\(maximumJobs) runs are with the cluster's own scheduler, as many as this server gives it at a time"
        return (starting, (0..<waiting - starting).map { Pending(reason: reason, position: $0 + 1) })
    }
}
