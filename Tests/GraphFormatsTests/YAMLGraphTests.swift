// SPDX-License-Identifier: Apache-2.0

import GraphFormats
import NativeElements
import Testing
import WorkflowModel

struct YAMLGraphTests {
    private static let graph = """
        documentation: Counts warm readings.
        elements:
          - name: Read
            native: csv
            parameters: {path: readings.csv, header: [station, value]}
          - name: Warm
            native: filter
            parameters:
              expression: value > 20 and station != 'no'
            on_error: skip
          - {name: Count, native: count, parameters: {key: station}, processes: 2, time_limit: 1.5}
          - {name: Sort, command: [sort, -n, 3], mode: bytes}
          - name: Fit
            python: fit.py:Fit
            inputs: {input: [station, 0]}
        edges:
          - Read.output -> Warm -> Count
          - [Count.output, Sort.input]
          - [Count, Fit]
        """

    private func problem(_ yaml: String) throws -> Problem {
        try #require(throws: Problem.self) { try YAMLGraph.module(from: yaml, filename: "flow.yaml") }
    }

    @Test func becomesAModule() throws {
        let module = try YAMLGraph.module(from: Self.graph, filename: "flow.yaml", directory: "/home/me")
        let document = try WireJSON.decode(JSONValue.self, from: module.utf8)
        #expect(
            document
                == [
                    "documentation": "Counts warm readings.",
                    "elements": [
                        ["name": "Read", "native": "csv", "parameters": ["path": "readings.csv", "header": ["station", "value"]]],
                        [
                            "name": "Warm", "native": "filter", "parameters": ["expression": "value > 20 and station != 'no'"],
                            "on_error": "skip",
                        ],
                        ["name": "Count", "native": "count", "parameters": ["key": "station"], "processes": 2, "time_limit": 1.5],
                        ["name": "Sort", "command": ["sort", "-n", 3], "mode": "bytes"],
                        ["name": "Fit", "python": "/home/me/fit.py:Fit", "inputs": ["input": ["station", 0]]],
                    ],
                    "edges": [
                        ["Read.output", "Warm.input"], ["Warm.output", "Count.input"], ["Count.output", "Sort.input"],
                        ["Count.output", "Fit.input"],
                    ],
                ])
    }

    @Test func layoutDoesNotMatter() throws {
        let other = """
            # The same in another manner.
            edges: [["A.output", "B"]]
            elements: [{native: split, name: A}, {native: "count", name: B, parameters: ~}]
            """
        let plain = "elements:\n- name: A\n  native: split\n- {name: B, native: count}\nedges:\n- A -> B\n"
        #expect(
            try YAMLGraph.module(from: other, filename: "a.yaml") == YAMLGraph.module(from: plain, filename: "b.yml"))
    }

    @Test func plainScalarsAreThoseOfYAML12() throws {
        let yaml =
            "elements: [{name: A, python: 'a.py:A', parameters: {a: no, b: 012, c: 1e3, d: .5, e: '7', f: ~, g: 2026-01-01, h: True}}]"
        let document = try WireJSON.decode(JSONValue.self, from: YAMLGraph.module(from: yaml, filename: "a.yaml").utf8)
        #expect(
            document["elements"]?.arrayValue?[0]["parameters"]
                == ["a": "no", "b": 12, "c": 1000, "d": 0.5, "e": "7", "f": nil, "g": "2026-01-01", "h": true])
    }

    @Test(arguments: [
        ("elements: [", "line 2: this is no YAML"),
        ("", "the document is empty"),
        ("elements: []", "the graph has no PE"),
        ("nodes: []", "line 1: a graph has no field 'nodes'; it has documentation, elements, edges"),
        ("elements:\n- {native: count}", "line 2: an element needs a 'name'"),
        ("elements:\n- {name: A, native: count}\n- {name: A, native: count}", "line 3: two elements are called 'A'"),
        ("elements:\n- {name: A}", "line 2: element 'A' must have one of native, command and python"),
        ("elements:\n- {name: A, native: cuont}", "line 2: element 'A': there is no native operation 'cuont'; there are files,"),
        ("elements:\n- name: A\n  native: count\n  on_eror: skip", "line 4: element 'A' has no field 'on_eror'; it has name,"),
        ("elements:\n- name: A\n  native: count\n  on_error: retry", "line 4: element 'A': 'on_error' must be fail, skip, or retry N"),
        ("elements:\n- name: A\n  native: count\n  processes: 0", "line 4: element 'A': 'processes' must be a number of instances"),
        (
            "elements:\n- name: A\n  native: filter\n  parameters:\n    expression: value >",
            "line 5: element 'A', parameter 'expression': column 8: the expression ends where a value is due"
        ),
        ("elements:\n- name: A\n  native: filter", "line 3: element 'A', parameter 'expression': filter needs it"),
        (
            "elements:\n- name: A\n  native: top_k\n  parameters: {size: ten}",
            "line 4: element 'A', parameter 'size': must be an integer from 1"
        ),
        ("elements:\n- {name: A, python: A}", "line 2: element 'A': 'python' names a file and a class"),
        ("elements:\n- {name: A, command: []}", "line 2: element 'A': 'command' must be a program"),
        ("elements:\n- {name: A, native: split}\nedges:\n- A -> B", "line 4: there is no element 'B'; there are A"),
        ("elements:\n- {name: A, native: split}\nedges:\n- A.out -> A", "line 4: 'A' has no output 'out'; it has output"),
        ("elements:\n- {name: A, native: lines, parameters: {path: x}}\nedges:\n- A -> A", "line 4: 'A' has no input 'input'; it has none"),
        ("elements:\n- {name: A, native: split}\nedges:\n- [A]", "line 4: an edge leads from an output to an input"),
        ("elements:\n- {name: A, native: split}\nedges:\n- A -> A.input -> A", "line 4: an edge leads from an output to an input"),
        ("elements:\n- {name: A, native: split, inputs: {input: some}}", "line 2: element 'A', input 'input': a grouping is all,"),
        ("elements:\n- {name: A, name: B, native: split}", "'name' stands twice"),
    ])
    func mistakesAreNamedWithLineAndField(yaml: String, message: String) throws {
        let problem = try problem(yaml)
        #expect(problem.detail.hasPrefix("flow.yaml, line "))
        #expect(problem.detail.contains(message))
    }

    @Test func allMistakesAreToldAtOnce() throws {
        let problem = try problem("elements:\n- {name: A, native: nope}\n- {name: B, native: filter}\nedges:\n- C -> B")
        #expect(problem.errors.map { $0.detail.prefix(18) } == ["flow.yaml, line 2:", "flow.yaml, line 3:", "flow.yaml, line 5:"])
    }

    @Test func aliasesCannotBlowUp() throws {
        var yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...8 { yaml += "a\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", "))]\n" }
        #expect(try problem(yaml).detail.contains("too large with its aliases"))
    }

    @Test func namesOfModules() {
        #expect(YAMLGraph.isGraph(filename: "a.yaml") && YAMLGraph.isGraph(filename: "a.yml") && !YAMLGraph.isGraph(filename: "a.py"))
        #expect(YAMLGraph.moduleName(for: "my.flow.yml") == "my.flow.json")
    }
}
