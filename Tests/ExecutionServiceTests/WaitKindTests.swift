// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

@testable import ExecutionService

/// Kinds are read from the words that owners get.
@Suite struct WaitKindTests {
    @Test(
        arguments: [
            (.held(.ranks(account: 1, quota: 1)), .held), (.held(.memory(account: 1, quota: 1)), .held),
            (.held(.rankSeconds(account: 1, quota: 1)), .held), (.held(.reclaimed(account: 1, by: 1)), .held),
            (.neverFits(nil), .neverStarts),
            (.noReservation, .neverStarts), (.room(nil, promised: 1), .room), (.kept(for: 1), .behind), (.behind(job: 1), .behind),
        ] as [(WaitReason, Pending.Kind)])
    func everyReasonHasAKindThatNamesNobody(reason: WaitReason, kind: Pending.Kind) {
        let accounts = ClusterAccounts([ShareAccount(name: "secret")], usage: [:], halfLife: 1, at: 0)
        let run = RunID(milliseconds: 1, random: Array(repeating: 0, count: 10))
        #expect(Pending.Kind(of: WaitWords(runs: [1: run], accounts: accounts).sentence(reason)) == kind)
    }

    @Test func whatTheEngineSaysIsOfTheEngine() throws {
        let pending = try #require(EngineQueue.decide(waiting: 1, jobs: 1, maximumJobs: 1).pending.first)
        #expect(Pending.Kind(of: pending.reason) == .engine)
        #expect(Pending.Kind(of: "can never start: sbatch: error on node3", isStarting: true) == .engine)
    }
}
