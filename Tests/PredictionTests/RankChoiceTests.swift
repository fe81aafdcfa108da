// SPDX-License-Identifier: Apache-2.0

import Prediction
import Testing
import WorkflowModel

/// One second of start-up, and 100 s of work that up to 16 ranks share.
private let alternatives = RankChoice.candidates(upTo: 64).map { ranks in
    let time = 1 + 100 / Double(min(ranks, 16))
    return Alternative(
        ranks: ranks, runTime: .init(p50: time, p95: 1.2 * time),
        coreHours: .init(p50: time * Double(ranks) / 3600, p95: 1.2 * time * Double(ranks) / 3600), memoryPerRank: nil)
}

private func chosen(_ goal: PlanGoal) -> (ranks: Int, reason: String) {
    let (place, reason) = RankChoice.choose(alternatives, for: goal)
    return (alternatives[place].ranks, reason)
}

@Suite struct RankChoiceTests {
    @Test func candidatesGrowInSteps() {
        #expect(RankChoice.candidates(upTo: 1) == [1])
        #expect(RankChoice.candidates(upTo: 9) == [1, 2, 3, 4, 5, 6, 7, 8, 9])
        let many = RankChoice.candidates(upTo: 100_000)
        #expect(many.count < 80 && many.last == 100_000 && zip(many, many.dropFirst()).allSatisfy(<))
    }

    @Test func theKneeIsWhereMoreRanksGainLess() {
        let ranks = chosen(.knee).ranks
        #expect(ranks == 15)
    }

    @Test func aDeadlineTakesTheFewestRanksThatKeepIt() {
        #expect(chosen(.deadline(61.2)).ranks == 2)
        #expect(chosen(.deadline(61.1)).ranks == 3)
        let missed = chosen(.deadline(2))
        #expect(missed.ranks == 18)
        #expect(missed.reason.contains("no number of ranks"))
    }

    @Test func aBudgetTakesTheFastestThatItPays() {
        #expect(chosen(.budget(1.2 * 101 / 3600)).ranks == 1)
        #expect(chosen(.budget(1)).ranks == 18, "more ranks would not be faster")
        let poor = chosen(.budget(0.001))
        #expect(poor.ranks == 1 && poor.reason.contains("no number of ranks"))
    }
}
