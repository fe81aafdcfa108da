// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// By what a job is planned whose user gave no limit. Seconds.
package enum PlannedLimit {
    /// Of a job that is like none before.
    private static let unknown = 3600
    /// By which a job that goes on beyond its limit is planned further.
    package static let overrun = 60

    /// The assumed limit is so long that promises to wide jobs would lie many hours ahead, and narrow ones overtake them all the while: so
    /// it is what such jobs take, with much to spare.
    package static func seconds(_ prediction: RunTimePrediction, assumed: Int) -> Int {
        min(assumed, prediction.p95 < assumed ? max(60, 2 * prediction.p95) : unknown)
    }
}
