// SPDX-License-Identifier: Apache-2.0

import Prediction
import Scheduling
import Testing
import WorkflowModel

@testable import ExecutionService

private let reference = Reference(namespace: "a", name: "g", version: "1")
private let graph = WorkflowGraph(
    elements: [
        ProcessElement(id: "Source0", name: "Source", outputs: ["output"], digest: "d0"),
        ProcessElement(id: "Work1", name: "Work", inputs: [InputPort(name: "input")], digest: "d1", stateful: false),
    ], edges: [Edge(from: "Source0", output: "output", to: "Work1", input: "input")])
private let ended = RunID(milliseconds: 1, random: Array(repeating: 0, count: 10))

/// One run on a rank: 100 items of a second each, and a second of start-up.
private let experience: Experience = {
    let features = InputFeatures(["items": 100])
    let costs = [
        "Source0": ElementCost(calls: 100, itemsOut: 100, secondsPerCall: 1e-6, stateful: false),
        "Work1": ElementCost(calls: 100, itemsOut: 0, secondsPerCall: 1, stateful: false),
    ]
    return Experience(
        runs: [
            RunCost(
                run: ended, graph: reference, nodeClass: nil, ranks: 1, features: features, startUp: 1, ending: 0, seconds: 101,
                memoryPerRank: 700,
                load: 100, workersPerRank: 1, elements: [:])
        ],
        elements: costs.map {
            PastElement(
                run: ended, graph: reference, nodeClass: nil, features: features, id: $0.key, kind: $0.key == "Source0" ? "d0" : "d1",
                cost: $0.value)
        }, users: [PastTime(run: ended, seconds: 101)])
}()

private func planner(
    _ experience: Experience, _ graph: WorkflowGraph = graph, usesHistory: Bool = true, memory: Int? = nil, limit: Int? = nil,
    features: InputFeatures = InputFeatures(["items": 100]), visible: Set<RunID> = [ended],
    fits: @escaping (Plan, Int) -> Bool = { _, _ in true }
) -> RunPlanner {
    RunPlanner(
        graph: graph, layout: .fused, given: nil, usesHistory: usesHistory,
        predictor: RunPredictor(
            experience, of: graph, as: reference, features: features, nodeClass: nil, limit: limit),
        memoryPerRank: memory, defaultMemoryPerRank: 512, visible: visible, fits: fits)
}

@Suite struct RunPlannerTests {
    @Test func aPlanByEarlierRunsNamesThem() throws {
        let layout = try planner(experience).plan(ranks: 8)
        #expect(layout.plan.ranks == 8)
        #expect(layout.plan.reasons.contains { $0.contains("2 of 2 PEs cost was learned from 1 run (\(ended))") })
        let time = try #require(layout.predictions.first { $0.kind == .runTime })
        #expect((13...16).contains(time.p50) && time.runs == [ended])
        #expect(layout.plan.reasons.contains { $0.contains("the 512 MiB that it has may be too little") })
        #expect(layout.memoryPerRank == 512, "the number of ranks was asked for, and so is the memory")
    }

    @Test func runsOfOthersAreCountedAndNotNamed() throws {
        let reasons = try planner(experience, visible: []).plan(ranks: 8).plan.reasons
        #expect(reasons.contains { $0.contains("cost was learned from 1 run of other users") })
        #expect(!reasons.contains { $0.contains(ended.description) })
    }

    @Test func withoutHistoryThePlanIsTheFirstRuns() throws {
        let layout = try planner(experience, usesHistory: false).plan(ranks: 8)
        #expect(layout.plan.ranks == 1 && !layout.plan.reasons.contains { $0.contains("learned") })
        #expect(!layout.predictions.isEmpty)
    }

    @Test func theGoalChoosesAmongAlternatives() throws {
        let layout = try planner(experience).plan(upTo: 64, for: .deadline(60))
        let alternatives = try #require(layout.alternatives)
        let chosen = try #require(alternatives.first { $0.isChosen })
        #expect(alternatives.count(where: \.isChosen) == 1)
        #expect(chosen.ranks == layout.plan.ranks && chosen.runTime.p95 <= 60)
        #expect(alternatives.filter { $0.ranks < chosen.ranks }.allSatisfy { $0.runTime.p95 > 60 })
        #expect(zip(alternatives, alternatives.dropFirst()).allSatisfy { $0.ranks < $1.ranks && $0.runTime.p50 > $1.runTime.p50 })
        #expect(layout.memoryPerRank > 700, "what ranks were seen to need")
        #expect(layout.candidates.map(\.plan.ranks) == alternatives.map(\.ranks))
        #expect(layout.candidates.first { $0.plan.ranks == chosen.ranks }?.memoryPerRank == layout.memoryPerRank)
        #expect(try planner(experience, memory: 600).plan(upTo: 4, for: .knee).memoryPerRank == 600)
        let reason = try planner(experience).plan(upTo: 2, for: .deadline(1)).plan.reasons.first { $0.contains("no number of ranks") }
        #expect(reason?.contains("2 ranks are the fastest") == true)
    }

    /// Whoever submits writes the numbers.
    @Test(arguments: ["1e6", "1e21", "1e300", "1.7e308", "-1e308"]) func noNumberOfAnInputIsTooLarge(number: String) throws {
        func features(_ number: String) -> InputFeatures { InputFeatures(of: ["Source0": .items([["input": .string(number)]])]) }
        for past in [["2"], ["2", "3"], ["1", "2", "4", "7", "1e200"]] {
            var known = Experience()
            for (index, value) in past.enumerated() {
                for var run in experience.runs {
                    run.run = RunID(milliseconds: UInt64(index), random: Array(repeating: 0, count: 10))
                    run.features = features(value)
                    run.seconds += Double(index)
                    run.memoryPerRank = Double(100 * (index + 1))
                    known.runs.append(run)
                    known.elements += experience.elements.map {
                        var element = $0
                        element.run = run.run
                        element.features = run.features
                        element.cost.calls *= index + 1
                        return element
                    }
                }
            }
            let planner = planner(known, features: features(number))
            for layout in [try planner.plan(ranks: 4), try planner.plan(upTo: 4, for: .knee)] {
                #expect(!layout.predictions.isEmpty)
                for prediction in layout.predictions {
                    let (p50, p90, p95) = (prediction.p50, try #require(prediction.p90), prediction.p95)
                    #expect(0 <= p50 && p50 <= p90 && p90 <= p95 && p95 <= 1e12)
                }
            }
        }
    }

    @Test func whatWasLearnedAsksForNoMoreThanThereIs() throws {
        let node = ClusterNode(name: "n", cores: 2, memory: 1300, slots: 2)
        let layout = try planner(experience) { plan, memory in
            (try? Placement.checkFits(ResourceRequest(ranks: plan.ranks, memoryPerRank: memory), nodes: [node])) != nil
        }.plan(upTo: 2, for: .deadline(1))
        #expect(layout.plan.ranks == 2 && layout.memoryPerRank == 650)
        #expect(layout.plan.reasons.contains { $0.contains("a rank gets 650 MiB") }, "\(layout.plan.reasons)")
        let none = try planner(experience) { _, _ in false }.plan(upTo: 2, for: .deadline(1))
        #expect(none.memoryPerRank > 700, "something else does not fit")
        #expect(!none.plan.reasons.contains { $0.contains("a rank gets") })
    }

    @Test func whereNothingIsKnownThePlanSaysSo() throws {
        let layout = try planner(Experience(users: [PastTime(run: ended, seconds: 5)])).plan(upTo: 16, for: .deadline(60))
        #expect(layout.alternatives == nil)
        #expect(layout.plan.reasons.contains { $0.contains("nothing is known of what this graph costs") })
        #expect(layout.plan.reasons.contains { $0.contains("of yours of other graphs") })
        let limited = try planner(Experience(), limit: 90).plan(ranks: 1)
        #expect(limited.predictions.map(\.p50) == [90])
        #expect(limited.plan.reasons.contains { $0.contains("its limit; no run tells more") })
        #expect(try planner(Experience()).plan(ranks: 1).predictions.isEmpty)
    }

    @Test func anApplicationHasTheRanksThatItIsGiven() throws {
        let program = WorkflowGraph(application: .mpi, program: "a.out", digest: "d")
        #expect(throws: Problem.self) { try planner(Experience(), program).plan(upTo: 4, for: .knee) }
        #expect(try planner(Experience(), program).plan(ranks: 3).plan.ranks == 3)
    }

    @Test(arguments: [
        (RunRequest(graph: reference, ranks: 4, deadline: 5), "/ranks"), (RunRequest(graph: reference, deadline: 5, budget: 5), "/budget"),
        (RunRequest(graph: reference, deadline: 0), "/deadline"), (RunRequest(graph: reference, budget: -1), "/budget"),
        (RunRequest(graph: reference, maximumRanks: 0), "/max_ranks"),
    ])
    func goalsThatContradictAreNamed(request: RunRequest, pointer: String) {
        do {
            _ = try request.goal()
            Issue.record("accepted")
        } catch {
            #expect(error.errors.map(\.pointer) == [pointer])
        }
    }

    @Test func whatIsAskedForIsTheGoal() throws {
        #expect(try RunRequest(graph: reference).goal() == nil)
        #expect(try RunRequest(graph: reference, ranks: 4).goal() == nil)
        #expect(try RunRequest(graph: reference, ranks: .auto).goal() == .knee)
        #expect(try RunRequest(graph: reference, maximumRanks: 4).goal() == .knee)
        #expect(try RunRequest(graph: reference, ranks: .auto, deadline: 9, maximumRanks: 4).goal() == .deadline(9))
        #expect(try RunRequest(graph: reference, budget: 2).goal() == .budget(2))
    }
}
