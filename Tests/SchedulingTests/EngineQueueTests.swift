// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

@Suite struct EngineQueueTests {
    @Test func anEngineIsGivenOnlySoManyJobs() {
        let (starting, pending) = EngineQueue.decide(waiting: 3, jobs: 8, maximumJobs: 10)
        #expect(starting == 2)
        #expect(pending.map(\.position) == [1] && pending[0].reason.hasPrefix("10 runs are with"))
        #expect(EngineQueue.decide(waiting: 2, jobs: 11, maximumJobs: 10).starting == 0)
    }
}
