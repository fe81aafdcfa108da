// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@testable import RankRuntime

@Suite struct LauncherPlaceTests {
    func place(rank: Int, localRank: Int, of localSize: Int) -> LauncherPlace {
        LauncherPlace(environment: [
            "OMPI_COMM_WORLD_RANK": "\(rank)", "OMPI_COMM_WORLD_LOCAL_RANK": "\(localRank)", "OMPI_COMM_WORLD_LOCAL_SIZE": "\(localSize)",
        ])
    }

    /// A worker on each of these ranks; `isNative` says whether it is a PE of the rank itself.
    func plan(ranks: [Int], isNative: [Bool]) -> RunDocument {
        var document = document
        document.graph = WorkflowGraph(
            elements: isNative.enumerated().map { index, isNative in
                ProcessElement(id: "E\(index)", name: "E", native: isNative ? NativeOperation(operation: "count") : nil)
            }, edges: [])
        document.plan.ranks = (ranks.max() ?? 0) + 1
        document.plan.stages = isNative.indices.map { Stage(elements: [$0], workers: 1, reasons: []) }
        document.plan.workers = ranks.enumerated().map { Worker(stage: $0, replica: 0, rank: $1) }
        return document
    }

    @Test func ranksOfOneNodeShareIt() {
        let document = plan(ranks: [0, 1], isNative: [false, false])
        #expect(place(rank: 1, localRank: 1, of: 2).sharesNode(document))
        #expect(!place(rank: 1, localRank: 0, of: 1).sharesNode(document), "each has its node for itself")
        #expect(place(rank: 0, localRank: 0, of: 2).isFirst)
        #expect(!place(rank: 1, localRank: 1, of: 2).isFirst)
    }

    @Test func workersOfOneRankShareItsNode() {
        let document = plan(ranks: [0, 1, 1], isNative: [false, false, false])
        #expect(!place(rank: 0, localRank: 0, of: 1).sharesNode(document))
        #expect(place(rank: 1, localRank: 0, of: 1).sharesNode(document))
    }

    @Test func onlyPythonWorkersCount() {
        #expect(!place(rank: 0, localRank: 0, of: 2).sharesNode(plan(ranks: [0, 1], isNative: [false, true])))
        #expect(!place(rank: 0, localRank: 0, of: 1).sharesNode(plan(ranks: [0, 0], isNative: [false, true])))
    }

    @Test func withoutALauncherOnlyASingleRankKnowsItsPlace() {
        let unknown = LauncherPlace(environment: ["OMPI_COMM_WORLD_LOCAL_SIZE": "many"])
        #expect(unknown.sharesNode(plan(ranks: [0, 0], isNative: [false, false])))
        #expect(!unknown.sharesNode(plan(ranks: [0, 1, 1], isNative: [false, false, false])))
        #expect(unknown.isFirst)
    }

    @Test func slurmTellsThePlaceToo() {
        func place(node: Int, _ tasks: String) -> LauncherPlace {
            LauncherPlace(environment: [
                "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "7", "SLURM_LOCALID": "1", "SLURM_NODEID": "\(node)",
                "SLURM_STEP_TASKS_PER_NODE": tasks,
            ])
        }
        let third = place(node: 2, "3,2(x2)")
        #expect(third.rank == 5 && third.size == 7 && third.localRank == 1 && third.localSize == 2 && !third.isFirst)
        #expect(place(node: 0, "3,2(x2)").localSize == 3)
        #expect(place(node: 3, "3,2(x2)").localSize == nil)
        #expect(place(node: 0, "many").localSize == nil)
    }

    @Test func aStageIsNativeAsItsFirstElementIs() {
        let document = plan(ranks: [0, 0, 0], isNative: [true, false, true])
        #expect(document.pythonWorkers == [1])
        #expect(document.isNative(worker: 0) && document.isNative(worker: 2))
    }
}
