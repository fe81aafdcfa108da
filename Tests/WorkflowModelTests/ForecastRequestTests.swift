// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WorkflowModel

struct ForecastRequestTests {
    private let now = Date(timeIntervalSince1970: 1_750_000_000)
    private let nodes = [
        ClusterNode(name: "n1", cores: 4, memory: 100, slots: 4), ClusterNode(name: "n2", cores: 8, memory: 100, slots: 8),
        ClusterNode(name: "mute", state: .down, cores: 0, memory: 0, slots: 0),
    ]

    private func pointers(_ request: WhatIfRequest) -> [String] {
        request.faults(now: now, nodes: nodes, policies: ["easy", "weft"]).map(\.pointer)
    }

    @Test func eitherARunOrWhatOneWouldAskFor() {
        func pointers(_ request: WaitForecastRequest) -> [String] { request.faults(mostRanks: 8).map(\.pointer) }
        let run = RunID(milliseconds: 1, random: [UInt8](repeating: 0, count: 10))
        #expect(pointers(WaitForecastRequest(run: run)) == [] && pointers(WaitForecastRequest(ranks: 8)) == [])
        #expect(pointers(WaitForecastRequest()) == ["/ranks"])
        #expect(pointers(WaitForecastRequest(ranks: 9)) == ["/ranks"] && pointers(WaitForecastRequest(ranks: 0)) == ["/ranks"])
        #expect(pointers(WaitForecastRequest(run: run, ranks: 1, needs: RunNeeds())) == ["/ranks", "/needs"])
        #expect(
            pointers(WaitForecastRequest(ranks: 1, memoryPerRank: 1 << 25)) == ["/memory_per_rank"], "a run could not ask for it either")
        #expect(
            pointers(WaitForecastRequest(ranks: 1, memoryPerRank: 0, needs: RunNeeds(timeLimit: 0)))
                == ["/memory_per_rank", "/needs/time_limit"])
    }

    @Test func changesAreOfNodesThatThereAre() {
        #expect(pointers(WhatIfRequest(add: 1000, like: "n1", drain: ["n2"], at: now + 86_399, policy: "easy", horizon: 604_800)) == [])
        #expect(pointers(WhatIfRequest(horizon: 60)) == [""])
        #expect(pointers(WhatIfRequest(add: 1)) == ["/like"] && pointers(WhatIfRequest(like: "n1", policy: "easy")) == ["/like"])
        #expect(pointers(WhatIfRequest(add: 1, like: "n9")) == ["/like"] && pointers(WhatIfRequest(add: 1, like: "mute")) == ["/like"])
        #expect(pointers(WhatIfRequest(drain: [])) == ["/drain"] && pointers(WhatIfRequest(drain: ["n1", "n9"])) == ["/drain/1"])
        #expect(pointers(WhatIfRequest(add: 1001, like: "n1", horizon: 604_801, futures: 65)) == ["/horizon", "/futures", "/add"])
        #expect(pointers(WhatIfRequest(at: now + 1, policy: "fair")) == ["/at", "/policy"])
        // The clocks of two hosts may differ a little.
        #expect(
            pointers(WhatIfRequest(drain: ["n1"], at: now - 30)) == [] && pointers(WhatIfRequest(drain: ["n1"], at: now - 90)) == ["/at"])
        #expect(pointers(WhatIfRequest(drain: ["n1"], at: now + 86_400)) == ["/at"])
        #expect(pointers(WhatIfRequest(drain: ["n1"], at: now + 60, horizon: 60)) == ["/at"])
    }

    @Test func adviceIsForOneClassOfNodes() {
        func pointers(_ request: AdviceRequest, _ nodes: [ClusterNode]) -> [String] { request.faults(nodes: nodes).map(\.pointer) }
        #expect(pointers(AdviceRequest(targetP95Wait: 0, like: "n1"), nodes) == [])
        #expect(pointers(AdviceRequest(targetP95Wait: 60), nodes) == ["/like"])
        #expect(pointers(AdviceRequest(targetP95Wait: 60), [nodes[0], nodes[2]]) == [])
        #expect(pointers(AdviceRequest(targetP95Wait: 60), [nodes[2]]) == ["/like"])
        #expect(pointers(AdviceRequest(targetP95Wait: -1, like: "n1", mostNodes: 0), nodes) == ["/target_p95_wait", "/most_nodes"])
    }
}
