// SPDX-License-Identifier: Apache-2.0

import Planning
import Testing
import WorkflowModel

@Suite struct ApplicationPlanTests {
    @Test(arguments: [1, 8], Layout.allCases) func anApplicationHasTheRanksAskedFor(ranks: Int, layout: Layout) throws {
        let plan = try Planner.plan(WorkflowGraph(application: .mpi, program: "a.out", digest: ""), ranks: ranks, layout: layout)
        #expect(plan.ranks == ranks)
        #expect(plan.stages.map(\.elements) == [[0]])
        #expect(plan.workers == (0..<ranks).map { Worker(stage: 0, replica: $0, rank: $0) })
        #expect(plan.instanceCount == ranks && plan.element(ofInstance: ranks - 1)?.replica == ranks - 1)
    }

    @Test func itCannotHaveMoreRanksThanCanBeRecorded() {
        let problem = #expect(throws: Problem.self) {
            try Planner.plan(WorkflowGraph(application: .mpi, program: "a.out", digest: ""), ranks: DatumID.maximumInstances + 1)
        }
        #expect(problem?.errors.first?.pointer == "/ranks")
    }
}
