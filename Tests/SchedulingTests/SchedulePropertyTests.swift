// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

/// What holds for every schedule, on random clusters: see ``ScheduleAudit``.
@Suite struct SchedulePropertyTests {
    /// 10,000 clusters, divided among the policies.
    @Test(arguments: NamedPolicy.allCases, 0..<3) func noPromiseIsBroken(_ policy: NamedPolicy, _ part: Int) {
        var failed: [String] = []
        let first = 480 * (3 * (NamedPolicy.allCases.firstIndex(of: policy) ?? 0) + part)
        for seed in first..<first + 480 {
            guard let fault = ScheduleAudit.faults(RandomCluster(seed, policy)).first else { continue }
            failed.append("RandomCluster(\(seed), \(policy.rawValue)) \(fault)")
        }
        if !failed.isEmpty { Issue.record("\(failed.count) of 480: \(failed.prefix(5).joined(separator: "; "))") }
    }

    /// Limits that are not kept break promises, and nothing else.
    @Test(arguments: NamedPolicy.allCases) func whoeverRunsBeyondItsLimitHoldsNobodyBackForGood(_ policy: NamedPolicy) {
        for seed in 2_000_000..<2_000_400 {
            guard let fault = ScheduleAudit.faults(RandomCluster(seed, policy, overrun: true)).first else { continue }
            Issue.record("RandomCluster(\(seed), \(policy.rawValue), overrun: true) \(fault)")
            return
        }
    }

    /// Live, in a simulation and after a restart.
    @Test(arguments: NamedPolicy.allCases) func theSameEventsGiveTheSameDecisions(_ policy: NamedPolicy) {
        for seed in 1_000_000..<1_000_200 {
            let sample = RandomCluster(seed, policy)
            var (replay, other) = (sample.replay(), sample.replay())
            other.endsAreReversed = true
            var count = 0
            while true {
                var copy = replay
                let (instant, same) = (replay.step(), other.step())
                guard let instant, let same else {
                    #expect(instant == nil && same == nil)
                    break
                }
                guard instant.started == same.started, copy.step()?.started == instant.started else {
                    Issue.record("RandomCluster(\(seed), \(policy.rawValue)) at \(instant.now)")
                    return
                }
                count += 1
                // Which reservations there were, and how much was used when, is not known to a scheduler that is set up anew.
                if policy != .conservative, policy != .weft, !sample.hasShares, count % 7 == 0 { other.rebuild(at: instant.now) }
            }
        }
    }

    /// Promises are taken up as far as they can still be kept.
    @Test func nothingIsBrokenByARestart() {
        for seed in 3_000_000..<3_000_400 {
            let sample = RandomCluster(seed, .weft, overrun: seed % 2 == 0)
            var (audit, replay) = (ScheduleAudit(sample), sample.replay())
            var count = 0
            while let instant = replay.step() {
                audit.check(instant, replay.scheduler, isSteady: false)
                count += 1
                if count % 5 == 0, !sample.hasShares { replay.rebuild(at: instant.now) }
            }
            audit.checkAllHaveStarted(replay.starts)
            guard let fault = audit.faults.first else { continue }
            Issue.record("RandomCluster(\(seed), weft) \(fault)")
            return
        }
    }
}
