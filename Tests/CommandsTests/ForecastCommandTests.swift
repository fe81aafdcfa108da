// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Testing
import WorkflowModel

@testable import Commands

struct ForecastCommandTests {
    private let now = Date(timeIntervalSince1970: 1_750_000_000)
    private let base = QueueFigures(jobs: 12.5, unstarted: 0, meanWait: 5400, p50Wait: 60, p95Wait: 7200, utilisation: 0.876)

    private func parse<Command: ParsableArguments>(_ words: String, as type: Command.Type) throws -> Command {
        try #require(try Weft.parseAsRoot(words.split(separator: " ").map(String.init)) as? Command)
    }

    private func basis(note: String? = nil) -> ForecastBasis {
        ForecastBasis(at: now, horizon: 86_400, futures: 32, pastRuns: 1, note: note)
    }

    @Test func waitsOfRunsAreAskedFor() throws {
        #expect(try parse("forecast wait run_abc", as: ForecastWait.self).run == "run_abc")
        #expect(
            try parse("forecast wait --ranks 8 --time 2h --memory 512 --label gpu", as: ForecastWait.self).request
                == WaitForecastRequest(ranks: 8, memoryPerRank: 512, needs: RunNeeds(timeLimit: 7200, labels: ["gpu"])))
        #expect(try parse("forecast wait -n 1 --time-limit 90", as: ForecastWait.self).request.needs == RunNeeds(timeLimit: 90))
        #expect(try parse("forecast wait -n 1", as: ForecastWait.self).request == WaitForecastRequest(ranks: 1))
        let queue = try parse("forecast queue --horizon 24h --futures 8 -o json", as: ForecastQueue.self)
        #expect((queue.future.horizon, queue.future.futures) == (86_400, 8))
    }

    @Test func changesAreRead() throws {
        let change = try parse("whatif --add 4xn1 --drain n17,n18 --at +2h --policy easy --horizon 12h", as: WhatIfCommand.self)
        #expect(
            change.request(now: now)
                == WhatIfRequest(add: 4, like: "n1", drain: ["n17", "n18"], at: now + 7200, policy: "easy", horizon: 43_200))
        // Names may have an x too.
        #expect(NodeAddition(argument: "12xbox.x86") == NodeAddition(count: 12, like: "box.x86"))
        for text in ["", "x", "4x", "xn1", "0xn1", "-1xn1", "4", "n1", "4 n1"] { #expect(NodeAddition(argument: text) == nil, "\(text)") }
    }

    @Test func targetsAreRead() throws {
        let advise = try parse("advise --target-p95-wait 30m --like n1 --most-nodes 9 --hook", as: AdviseCommand.self)
        #expect(advise.hook && advise.request == AdviceRequest(targetP95Wait: 1800, like: "n1", mostNodes: 9))
        #expect(try parse("advise --target-p95-wait 1h", as: AdviseCommand.self).request == AdviceRequest(targetP95Wait: 3600))
    }

    @Test(arguments: [
        "forecast wait", "forecast wait run_abc --ranks 4", "forecast wait run_abc --time 1h", "forecast wait --time 1h",
        "forecast wait --ranks 4 --time 0", "forecast queue --horizon soon", "whatif", "whatif --horizon 1h", "whatif --add n1",
        "whatif --drain n1,", "whatif --policy fair", "whatif --policy easy --at +1h", "advise", "advise --target-p95-wait 0",
        "advise --target-p95-wait 1h --hook -q",
    ])
    func wrongUsageExitsWithTwo(words: String) {
        #expect(throws: (any Error).self) {
            do {
                _ = try Weft.parseAsRoot(words.split(separator: " ").map(String.init))
            } catch {
                #expect(ExitStatus(of: error) == .usage)
                throw error
            }
        }
    }

    @Test func aWaitIsTold() {
        #expect(
            ForecastRendering.describe(RunWaitForecast(at: now, starts: true, p50: 60, p95: 3600)) == """
                waits                   1 min 0 s, until 2025-06-15 15:07:40Z
                19 of 20 times at most  1 h 0 min, until 2025-06-15 16:06:40Z
                """)
        #expect(
            ForecastRendering.describe(RunWaitForecast(at: now, starts: false, note: "too wide")) == """
                waits  for ever, as things are
                note   too wide
                """)
    }

    @Test func figuresStandSideBySide() {
        let never = QueueFigures(jobs: 12.5, unstarted: 3, meanWait: 0, p50Wait: 0, p95Wait: nil, utilisation: 1)
        #expect(
            ForecastRendering.describe(basis(note: "too little"), [("AS IT IS", base), ("CHANGED", never)])
                == """
                32 futures of 24 h 0 min, from 2025-06-15 15:06:40Z on, by 1 run that ended
                          RUNS  NEVER START   MEAN WAIT        P50        P95  IN USE
                AS IT IS  12.5            0  1 h 30 min  1 min 0 s  2 h 0 min    88 %
                CHANGED   12.5            3         0 s        0 s      never   100 %
                too little
                """)
    }

    @Test func adviceSaysWhatItCosts() {
        func lines(_ action: ScalingAdvice.Action, _ count: Int, nodes: [String] = [], hours: Double, isReached: Bool = true) -> Substring?
        {
            let advice = ScalingAdvice(
                action: action, like: "n1", nodeClass: NodeClass(cores: 4, memory: 100, architecture: nil, labels: []), slots: 4,
                count: count,
                nodes: nodes, from: now, reason: "so it is", figures: base)
            return ForecastRendering.describe(
                AdviceAnswer(
                    basis: basis(), targetP95Wait: 1800, base: base, advice: advice, isReached: isReached, nodeHours: hours)
            ).split(separator: "\n").first
        }
        #expect(lines(.add, 2, hours: 48) == "Add 2 nodes like n1 (48 node-hours): so it is.")
        #expect(lines(.drain, 1, nodes: ["n3"], hours: -24) == "Drain 1 node: n3 (saves 24 node-hours): so it is.")
        #expect(lines(.none, 0, hours: 0) == "Leave the nodes as they are: so it is.")
        #expect(lines(.none, 0, hours: 0, isReached: false) == "The target cannot be reached by adding nodes: so it is.")
    }
}
