// SPDX-License-Identifier: Apache-2.0

import Prediction
import Testing
import WorkflowModel

@Suite struct LastTwoTests {
    static func job(user: Int = 1, limit: Int = 1000) -> JobTraits { JobTraits(user: user, ranks: 1, limit: limit) }

    @Test func theLimitCountsUntilTwoJobsOfTheUserHaveEnded() {
        var predictor = LastTwo()
        predictor.learn(Self.job(), runTime: 10, predicted: RunTimePrediction(1000, limit: 1000))
        #expect(predictor.predict(Self.job()).expected == 1000)
        predictor.learn(Self.job(), runTime: 13, predicted: RunTimePrediction(1000, limit: 1000))
        #expect(predictor.predict(Self.job()).expected == 11)
        #expect(predictor.predict(Self.job(limit: 5)).expected == 5)
        #expect(predictor.predict(Self.job(user: 2)).expected == 1000)
    }
}
