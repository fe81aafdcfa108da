// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// The mean of the user's last two run times (Tsafrir, Etsion, Feitelson 2007).
package struct LastTwo: RunTimePredictor {
    private var past: [Int: (last: Int, before: Int?)] = [:]

    package init() {}

    package func predict(_ job: JobTraits) -> RunTimePrediction {
        guard let times = past[job.user], let before = times.before else { return RunTimePrediction(job.limit, limit: job.limit) }
        return RunTimePrediction(max(1, min(job.limit, (times.last + before) / 2)), limit: job.limit)
    }

    package mutating func learn(_ job: JobTraits, runTime: Int, predicted: RunTimePrediction) {
        past[job.user] = (runTime, past[job.user]?.last)
    }
}
