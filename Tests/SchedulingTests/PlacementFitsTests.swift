// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

@Suite struct PlacementFitsTests {
    @Test func aRunThatCanNeverStartIsRefused() {
        let nodes = [ClusterNode(name: "host", state: .down, cores: 2, memory: 100, slots: 4)]
        func field(_ request: ResourceRequest) -> String? {
            do {
                try Placement.checkFits(request, nodes: nodes)
                return nil
            } catch { return error.errors.first?.pointer }
        }
        #expect(field(.init(ranks: 5, memoryPerRank: 1)) == "/ranks")
        #expect(field(.init(ranks: 4, memoryPerRank: 26)) == "/memory_per_rank")
        #expect(field(.init(ranks: 4, memoryPerRank: 25)) == nil)
        #expect(field(.init(ranks: 4, memoryPerRank: 1, needs: RunNeeds(nodes: 2))) == "/needs/nodes")
        #expect(field(.init(ranks: 4, memoryPerRank: 1, needs: RunNeeds(labels: ["gpu"]))) == "/needs/labels")
        let blocks = [RankBlock(ranks: 1, labels: ["gpu"]), RankBlock(ranks: 3, labels: [])]
        #expect(field(.init(ranks: 4, memoryPerRank: 1, blocks: blocks)) == "/needs/elements")
        #expect(field(.init(ranks: 4, memoryPerRank: 1, needs: RunNeeds(architecture: "aarch64"))) == "/needs/architecture")
    }
}
