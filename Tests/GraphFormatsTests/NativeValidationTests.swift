// SPDX-License-Identifier: Apache-2.0

import GraphFormats
import Testing
import WorkflowModel

struct NativeValidationTests {
    private func errors(_ element: ProcessElement) -> [Problem.FieldError] {
        do throws(Problem) {
            _ = try WorkflowGraph(elements: [element], edges: []).withCheckedNativeElements()
            return []
        } catch {
            return error.errors
        }
    }

    private func element(_ operation: String, _ parameters: [String: JSONValue] = [:], processes: Int = 1) -> ProcessElement {
        ProcessElement(
            id: "A0", name: "A", inputs: [InputPort(name: "input")], outputs: ["output"], processes: processes,
            native: NativeOperation(operation: operation, parameters: parameters))
    }

    @Test func whatCannotRunIsRefusedWithItsField() {
        #expect(errors(element("nope")).first?.pointer == "/elements/0/native/operation")
        #expect(errors(element("filter", ["expression": "a b"])).first?.pointer == "/elements/0/native/parameters/expression")
        #expect(errors(element("filter", ["expresion": "a"])).map(\.pointer).contains("/elements/0/native/parameters/expresion"))
        #expect(errors(element("lines", ["path": "a.txt"])).first?.pointer == "/elements/0/inputs")
        #expect(
            errors(element("write_csv", ["path": "a.csv"], processes: 2)).first?.detail.contains("put {instance} into the path") == true)
        #expect(errors(element("write_csv", ["path": "a-{instance}.csv"], processes: 2)).isEmpty)
        #expect(errors(element("write_csv", ["path": "a-{index}.csv"])).first?.detail.contains("placeholder") == true)
    }

    @Test func nativeElementsAreDescribed() throws {
        let graph = WorkflowGraph(elements: [element("count"), ProcessElement(id: "B1", name: "B")], edges: [])
        let checked = try graph.withCheckedNativeElements()
        #expect(checked.elements[0].documentation?.hasPrefix("Counts the data.") == true)
        #expect(checked.elements[1].documentation == nil)
    }
}
