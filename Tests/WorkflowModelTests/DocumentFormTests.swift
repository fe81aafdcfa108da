// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WorkflowModel

@Suite struct DocumentFormTests {
    func roundTrip<T: Codable & Equatable>(_ value: T) throws {
        #expect(try WireJSON.decode(T.self, from: WireJSON.encode(value)) == value)
    }

    @Test func groupingsHaveAReadableForm() throws {
        for grouping in [Grouping.roundRobin, .all, .global, .byKey([.index(0), .name("station")])] { try roundTrip(grouping) }
        #expect(String(decoding: try WireJSON.encode(Grouping.byKey([.index(0), .name("s")])), as: UTF8.self) == #"{"by_key":[0,"s"]}"#)
        #expect(throws: DecodingError.self) { try WireJSON.decode(Grouping.self, from: Array(#""shuffle""#.utf8)) }
    }

    @Test func inputsAreACountOrItems() throws {
        try roundTrip(RunInputs.iterations(3))
        try roundTrip(RunInputs.byElement(["a": .count(2), "b": .items([["input": [1, 2.5, nil, true, "x"]]])]))
    }

    @Test func rangesOfItemsHaveAShortForm() throws {
        try roundTrip(["Read0": [ItemRange(first: 3, count: 2), ItemRange(first: 1 << 40, count: 1)]])
        #expect(String(decoding: try WireJSON.encode([ItemRange(first: 3, count: 2)]), as: UTF8.self) == "[[3,2]]")
        for wrong in ["[3]", "[-1,2]", "[1,-2]", "[9223372036854775807,1]", "3"] {
            #expect(throws: DecodingError.self) { try WireJSON.decode(ItemRange.self, from: Array(wrong.utf8)) }
        }
        let inputs = ["A": SourceInput.count(5), "B": .items([[:]])]
        #expect(inputs.items(ofSource: "A", replayed: nil) == [0..<5] && inputs.items(ofSource: "C", replayed: nil) == [])
        #expect(inputs.items(ofSource: "A", replayed: ["A": [ItemRange(first: 1, count: 2)]]) == [1..<3])
        #expect(inputs.items(ofSource: "B", replayed: [:]) == [])
    }

    @Test func partsOfAPlanToResumeAreJoined() {
        let id = RunID(milliseconds: 0, random: [UInt8](repeating: 0, count: 10))
        func part(_ source: String, _ ranges: (Int, Int)...) -> ResumePlan.Part {
            ResumePlan.Part(source: source, ranges: ranges.map { ItemRange(first: $0.0, count: $0.1) }, reason: "")
        }
        let plan = ResumePlan(
            run: id, attempt: 1, of: 100, parts: [part("A", (5, 2), (9, 1)), part("B", (0, 1)), part("A", (0, 5), (8, 1))])
        #expect(plan.replayed == ["A": part("", (0, 7), (8, 2)).ranges, "B": part("", (0, 1)).ranges])
        #expect(plan.items == 10)
    }

    @Test func jsonKeepsIntegersExact() throws {
        try roundTrip(JSONValue.integer(.max))
        try roundTrip(JSONValue.array([.integer(.min), .number(0.1), .bool(false), .null]))
        #expect(try WireJSON.decode(JSONValue.self, from: Array("9007199254740993".utf8)) == .integer(9_007_199_254_740_993))
    }

    @Test func timesKeepMilliseconds() throws {
        let date = Date(timeIntervalSince1970: 1_700_000_000.25)
        #expect(WireJSON.format(date) == "2023-11-14T22:13:20.250Z")
        #expect(WireJSON.parse("2023-11-14T22:13:20Z") != nil)
        #expect(WireJSON.parse("yesterday") == nil)
    }

    @Test func problemsSurviveTheWire() throws {
        for kind in Problem.Kind.allCases { try roundTrip(Problem(kind, "what", errors: [.init("/a", "b")])) }
    }

    @Test func graphsAreRefusedWithEachFault() {
        let graph = WorkflowGraph(
            elements: [
                .init(id: "A", name: "A", inputs: [.init(name: "input")], outputs: ["output"]),
                .init(id: "B", name: "B", inputs: [.init(name: "input")], outputs: ["output"]),
            ],
            edges: [
                .init(from: "A", output: "output", to: "B", input: "input"), .init(from: "B", output: "output", to: "A", input: "input"),
            ])
        #expect(throws: Problem.self) { try graph.validate() }
        var misspelt = graph
        misspelt.edges = [.init(from: "A", output: "ouput", to: "B", input: "in"), .init(from: "X", output: "o", to: "B", input: "input")]
        do throws(Problem) {
            try misspelt.validate()
            Issue.record("accepted")
        } catch {
            #expect(error.errors.map(\.pointer) == ["/edges/0/output", "/edges/0/input", "/edges/1/from"])
        }
    }

    @Test func drawingsNameEveryElement() {
        let graph = WorkflowGraph(
            elements: [
                .init(id: "A\"0", name: "A", outputs: ["o"]),
                .init(id: "B1", name: "B", inputs: [.init(name: "i", grouping: .all)], outputs: ["r"]),
            ],
            edges: [.init(from: "A\"0", output: "o", to: "B1", input: "i")])
        #expect(graph.dot(title: "t").contains("\"A\\\"0\" -> \"B1\" [label=\"o → i (all)\"]"))
        #expect(graph.text.contains("r → results"))
    }

    @Test func runStatesEndOnlyWhereTheyMay() {
        for state in RunState.allCases where state.isFinal {
            #expect(!RunState.allCases.contains { $0.isFinal && state.mayBecome($0) })
        }
        #expect(!RunState.succeeded.mayBecome(.queued))
    }
}
