// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// By what a run is planned, in seconds: its time limit, or what is assumed where its user gave none.
package enum PlannedLimit {
    /// Of a job that is like none before.
    private static let unknown = 3600
    /// By which a job that goes on beyond its limit is planned further.
    package static let overrun = 60
    /// That ending a run may take beyond its time limit.
    package static let grace = 15
    /// Assumed where nothing is configured.
    package static let standard = 86_400

    /// The longest that a run may take.
    package static func longest(_ timeLimit: Int?, assumed: Int = standard) -> Int { timeLimit.map { $0 + grace } ?? assumed }

    /// The assumed limit is so long that promises to wide jobs would lie many hours ahead, and narrow ones overtake them all the while: so
    /// it is what such jobs take, with much to spare.
    package static func seconds(_ prediction: RunTimePrediction, assumed: Int) -> Int {
        min(assumed, prediction.p95 < assumed ? max(60, 2 * prediction.p95) : unknown)
    }
}
