// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@Suite struct RunInputsTests {
    static let graph = WorkflowGraph(
        elements: [
            .init(id: "Read0", name: "Read", outputs: ["output"]),
            .init(id: "Load1", name: "Load", inputs: [.init(name: "input")], outputs: ["output"]),
            .init(id: "Read2", name: "Read", outputs: ["output"]),
            .init(id: "Sum3", name: "Sum", inputs: [.init(name: "input")]),
        ],
        edges: ["Read0", "Load1", "Read2"].map { .init(from: $0, output: "output", to: "Sum3", input: "input") })

    func problem(_ inputs: RunInputs?) -> Problem? {
        do throws(Problem) {
            _ = try RunInputs.resolve(inputs, for: Self.graph)
            return nil
        } catch { return error }
    }

    @Test func completeInputsAreTaken() throws {
        let inputs = RunInputs.byElement(["Read0": .count(3), "Load": .items([["input": 1]]), "Read2": .count(0)])
        #expect(
            try RunInputs.resolve(inputs, for: Self.graph) == ["Read0": .count(3), "Load1": .items([["input": 1]]), "Read2": .count(0)])
    }

    @Test func refusesWithTheNameOfTheEntry() {
        #expect(problem(.byElement(["Raed": .count(1)]))?.errors.first?.pointer == "/inputs/Raed")
        #expect(problem(.byElement(["Sum": .count(1)]))?.errors.first?.detail.contains("not a source") == true)
        #expect(problem(.byElement(["Read": .count(1)]))?.errors.first?.detail.contains("use their ids") == true)
        #expect(problem(.byElement(["Read0": .count(1)]))?.errors.map(\.detail).contains { $0.contains("Load1 is given no input") } == true)
        #expect(problem(.iterations(2))?.errors.first?.pointer == "/inputs/Load1")
    }

    @Test func checksItemsAgainstThePorts() {
        let rest: [String: SourceInput] = ["Read0": .count(1), "Read2": .count(1)]
        #expect(problem(.byElement(rest.merging(["Load1": .items([1])]) { $1 }))?.errors.first?.pointer == "/inputs/Load1/0")
        #expect(problem(.byElement(rest.merging(["Load1": .items([["x": 1]])]) { $1 }))?.errors.first?.pointer == "/inputs/Load1/0/x")
        #expect(problem(.byElement(rest.merging(["Load1": .items([["input": nil]])]) { $1 })) == nil)
    }
}
