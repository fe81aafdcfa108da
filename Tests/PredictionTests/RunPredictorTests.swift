// SPDX-License-Identifier: Apache-2.0

import Prediction
import Testing
import WorkflowModel

private let here = "x86_64, 2 cores, 8 GiB"
private let version1 = Reference(namespace: "a", name: "g", version: "1")
private let version2 = Reference(namespace: "a", name: "g", version: "2")

/// source -> work
private let graph = WorkflowGraph(
    elements: [
        ProcessElement(id: "Source0", name: "Source", outputs: ["output"], digest: "d0"),
        ProcessElement(id: "Work1", name: "Work", inputs: [InputPort(name: "input")], digest: "d1", stateful: false),
    ], edges: [Edge(from: "Source0", output: "output", to: "Work1", input: "input")])

private let plan = Plan(
    layout: .spread, ranksRequested: 2, ranks: 2,
    stages: [Stage(elements: [0], workers: 1, reasons: []), Stage(elements: [1], workers: 1, reasons: [])],
    workers: [Worker(stage: 0, replica: 0, rank: 0), Worker(stage: 1, replica: 0, rank: 1)], firstInstances: [0, 1], reasons: [])

private func id(_ number: Int) -> RunID { RunID(milliseconds: UInt64(number), random: Array(repeating: 0, count: 10)) }

/// Runs of which each item takes so long in `Work1`, after a start-up of a second.
private func experience(
    items: [Int], secondsPerItem: Double = 0.1, noise: (Int) -> Double = { _ in 1 }, version: Reference = version1,
    nodeClass: String? = here, digest: String = "d1", number: Int = 0
) -> Experience {
    var experience = Experience()
    for (index, count) in items.enumerated() {
        let perCall = secondsPerItem * noise(index)
        let features = InputFeatures(["items": Double(count), "bytes": Double((index * 7919) % 100)])
        let elements = [
            "Source0": ElementCost(calls: count, itemsOut: 2 * count, secondsPerCall: 0, stateful: false),
            "Work1": ElementCost(calls: 2 * count, itemsOut: 0, secondsPerCall: perCall, stateful: false),
        ]
        let load = plan.load(Costs(elements: elements), of: graph)
        experience.runs.append(
            RunCost(
                run: id(number + index), graph: version, nodeClass: nodeClass, ranks: 2, features: features, startUp: 1, ending: 0.2,
                seconds: 1.2 + load,
                memoryPerRank: 100 + Double(count) / 10, load: load, workersPerRank: 1, elements: [:]))
        experience.elements += elements.map {
            PastElement(
                run: id(number + index), graph: version, nodeClass: nodeClass, features: features, id: $0.key,
                kind: $0.key == "Source0" ? "d0" : digest, cost: $0.value)
        }
        experience.users.append(PastTime(run: id(number + index), seconds: 1.2 + load))
    }
    return experience
}

private func predictor(_ experience: Experience, items: Int, nodeClass: String? = here, limit: Int? = nil) -> RunPredictor {
    RunPredictor(
        experience, of: graph, as: version1, features: InputFeatures(["items": Double(items), "bytes": 12]), nodeClass: nodeClass,
        limit: limit)
}

private func isNear(_ value: Double?, _ other: Double, within part: Double = 0.02) -> Bool {
    value.map { abs($0 - other) <= part * abs(other) } ?? false
}

@Suite struct RunPredictorTests {
    @Test func costsGrowWithTheItems() throws {
        let model = predictor(experience(items: [10, 20, 40, 80, 160]), items: 320)
        let cost = try #require(model.costs?.elements["Work1"])
        #expect(cost.calls == 640)
        #expect(isNear(cost.secondsPerCall, 0.1))
        #expect(model.costs?.elements["Source0"]?.itemsOut == 640)
        let fanOut = try #require(model.elements.first { $0.kind == .fanOut && $0.element == "Source0" })
        #expect(isNear(fanOut.p50, 2) && fanOut.runs.count == 5 && fanOut.basis == .sameOnClass)
    }

    @Test func theRunTimeIsStartUpAndWork() throws {
        let predictions = predictor(experience(items: [10, 20, 40, 80, 160]), items: 320).predictions(of: plan)
        let time = try #require(predictions.first { $0.kind == .runTime })
        #expect(isNear(time.p50, 1.2 + 64, within: 0.01))
        let p90 = try #require(time.p90)
        #expect(time.p50 <= p90 && p90 <= time.p95)
        #expect(isNear(predictions.first { $0.kind == .startUp }?.p50, 1))
        #expect(isNear(predictions.first { $0.kind == .memoryPerRank }?.p50, 132), "a line in the items")
    }

    /// One run is enough to go by, and leaves a wide interval.
    @Test func oneRunIsScaled() throws {
        let predictions = predictor(experience(items: [10]), items: 100).predictions(of: plan)
        let time = try #require(predictions.first { $0.kind == .runTime })
        #expect(isNear(time.p50, 1.2 + 20, within: 0.01))
        #expect(time.p95 > 1.3 * time.p50)
        #expect(predictions.first { $0.kind == .memoryPerRank }?.p50 == 101, "one run tells nothing of what memory depends on")
    }

    @Test func oddRunsDoNotMatter() throws {
        let odd = experience(items: [10, 20, 40, 80, 160, 30, 60, 120, 90, 50], noise: { $0 == 3 ? 20 : 1 })
        #expect(isNear(predictor(odd, items: 320).costs?.elements["Work1"]?.secondsPerCall, 0.1, within: 0.05))
    }

    @Test func theNearestRunsCount() throws {
        let elsewhere = experience(items: [10, 20, 30], secondsPerItem: 0.4, nodeClass: "arm64", number: 50)
        let changed = experience(items: [10, 20, 30], secondsPerItem: 0.8, version: version2, digest: "d1-changed", number: 80)
        func merged(_ parts: [Experience]) -> Experience {
            parts.reduce(into: Experience()) {
                $0.runs += $1.runs
                $0.elements += $1.elements
            }
        }
        let all = predictor(merged([experience(items: [10, 20, 30]), elsewhere, changed]), items: 20)
        #expect(isNear(all.costs?.elements["Work1"]?.secondsPerCall, 0.1))
        #expect(all.predictions(of: plan).first?.basis == .sameOnClass)

        let other = predictor(merged([elsewhere, changed]), items: 20)
        #expect(isNear(other.costs?.elements["Work1"]?.secondsPerCall, 0.4))
        #expect(other.elements.last?.basis == .same)
        #expect(other.predictions(of: plan).first?.basis == .same)

        let old = predictor(changed, items: 20)
        #expect(isNear(old.costs?.elements["Work1"]?.secondsPerCall, 0.8))
        #expect(old.elements.last?.basis == .graph)
        #expect(old.predictions(of: plan).first?.basis == .graph)
    }

    @Test func withoutRunsOfTheGraphTheUserAndTheLimitTell() throws {
        var known = Experience(users: (1...9).map { PastTime(run: id($0), seconds: Double($0)) })
        let byUser = predictor(known, items: 5).predictions(of: plan)
        #expect(byUser.map(\.kind) == [.runTime] && byUser[0].basis == .user && byUser[0].p50 == 5)
        #expect(predictor(known, items: 5, limit: 3).predictions(of: plan)[0].p50 == 3, "no run takes longer than it may")
        known.users = []
        let byLimit = predictor(known, items: 5, limit: 600).predictions(of: plan)
        #expect(byLimit.map { [$0.p50, $0.p90, $0.p95] } == [[600, 600, 600]] && byLimit[0].basis == .limit && byLimit[0].runs.isEmpty)
        let nothing = predictor(known, items: 5)
        #expect(nothing.predictions(of: plan).isEmpty && nothing.costs == nil && nothing.elements.isEmpty)
    }

    @Test func theModelIsNamedByItsRuns() throws {
        let one = predictor(experience(items: [10, 20]), items: 5).predictions(of: plan)[0]
        #expect(one.model == predictor(experience(items: [10, 20]), items: 500).predictions(of: plan)[0].model)
        #expect(one.model != predictor(experience(items: [10, 20, 30]), items: 5).predictions(of: plan)[0].model)
        #expect(one.runs == [id(0), id(1)])
    }

    /// Of noisy runs, nine and nineteen in twenty stay below what was said.
    @Test func intervalsHold() throws {
        var numbers = SeededGenerator(state: 1)
        var (above90, above95, tried) = (0, 0, 0)
        for _ in 0..<40 {
            let noise = (0..<40).map { _ in Double.random(in: 0.7...1.3, using: &numbers) }
            let items = (0..<40).map { _ in Int.random(in: 50...500, using: &numbers) }
            let all = experience(items: items, noise: { noise[$0] })
            for index in 0..<10 {
                var past = all
                past.runs.removeFirst(index + 1)
                past.elements.removeAll { element in element.run == id(index) || (0..<index).contains { element.run == id($0) } }
                let time = try #require(predictor(past, items: items[index]).predictions(of: plan).first { $0.kind == .runTime })
                tried += 1
                if all.runs[index].seconds > (try #require(time.p90)) { above90 += 1 }
                if all.runs[index].seconds > time.p95 { above95 += 1 }
            }
        }
        #expect(Double(above90) / Double(tried) < 0.2, "\(above90) of \(tried)")
        #expect(Double(above95) / Double(tried) < 0.12, "\(above95) of \(tried)")
    }

    @Test func oneInputTellsWhatWorkMayGrowWith() {
        let past = InputFeatures(["items": 1, "bytes": 40, "S0.input[0]": 100, "S0.input[1]": 20, "S0.input[0] × S0.input[1]": 2000])
        func likeliest(_ change: [String: Double]) -> String {
            InputFeatures(past.values.merging(change) { $1 }).likeliest(since: past)
        }
        #expect(likeliest(["items": 3, "S0.input[0]": 300]) == "items")
        #expect(likeliest(["S0.input[0]": 300, "bytes": 41]) == "S0.input[0]")
        #expect(likeliest(["S0.input[0]": 300, "S0.input[0] × S0.input[1]": 6000]) == "S0.input[0] × S0.input[1]")
        #expect(likeliest(["bytes": 400]) == "items")
    }

    @Test func featuresAreSumsOverAllItems() {
        let features = InputFeatures(
            of: [
                "Read0": .items([["input": [3, 4.5], "name": "x"], ["input": [1, 1], "steps": "100", "deep": ["a": ["b": 2]]]]),
                "Other1": .count(7),
            ])
        #expect(features.values["items"] == 9)
        #expect(features.values["Read0.input[0]"] == 4)
        #expect(features.values["Read0.input[1]"] == 5.5)
        #expect(features.values["Read0.input.length"] == 4)
        #expect(features.values["Read0.input[0] × Read0.input[1]"] == 3 * 4.5 + 1)
        #expect(features.values["Read0.steps"] == 100)
        #expect(features.values["Read0.deep.a.b"] == 2)
        #expect(features.values["bytes"] ?? 0 > 20)
        #expect(features.values["Read0.name"] == nil)
        let many = InputFeatures(of: ["R0": .items([.object(Dictionary(uniqueKeysWithValues: (0..<1000).map { ("k\($0)", 1) }))])])
        #expect(many.values.count <= 42)
    }
}

/// The same numbers in every session (SplitMix64).
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
