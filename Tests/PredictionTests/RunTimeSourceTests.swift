// SPDX-License-Identifier: Apache-2.0

import Prediction
import Testing
import WorkflowModel

@Suite struct RunTimeSourceTests {
    @Test func whatIsLearnedFollowsFromTheSource() {
        #expect(RunTimeSource.allCases.map(\.rawValue) == ["user", "oracle", "tsafrir", "similar"])
        #expect(RunTimeSource.user.predictor == nil && RunTimeSource.oracle.predictor == nil)
        #expect(RunTimeSource.tsafrir.predictor is LastTwo && RunTimeSource.similar.predictor is SimilarPast)
    }

    @Test(arguments: RunTimeSource.allCases) func aPredictionWithoutExperienceIsTheLimit(_ source: RunTimeSource) {
        guard var predictor = source.predictor else { return }
        #expect(predictor.predict(JobTraits(user: 1, ranks: 4, limit: 90)) == RunTimePrediction(expected: 90, p90: 90, p95: 90))
    }
}
