// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WorkflowModel

@Suite struct ApplicationTests {
    static let graph = WorkflowGraph(application: .mpi, program: "a.out", digest: "d")
    static let pes = WorkflowGraph(elements: [ProcessElement(id: "Read0", name: "Read")], edges: [])

    /// The first bytes of an ELF file.
    static func elf(type: UInt8, machine: UInt8, isBigEndian: Bool = false) -> [UInt8] {
        let fields: [UInt8] = isBigEndian ? [0, type, 0, machine] : [type, 0, machine, 0]
        return [0x7F] + "ELF".utf8 + [2, isBigEndian ? 2 : 1, 1] + [UInt8](repeating: 0, count: 9) + fields + [1, 0, 0, 0]
    }

    @Test(arguments: [
        (elf(type: 3, machine: 62), nil), (elf(type: 2, machine: 62), nil), (Array("#!/bin/sh\n".utf8), nil),
        (elf(type: 2, machine: 62, isBigEndian: true), nil),
        (elf(type: 1, machine: 62), "link it"), (elf(type: 4, machine: 62), "link it"),
        (elf(type: 3, machine: 183), "built for aarch64"), (elf(type: 3, machine: 21), "ELF machine 21"),
        (Array("int main(void)".utf8), "neither"), ([], "neither"), (Array(elf(type: 3, machine: 62).prefix(19)), "neither"),
    ])
    func onlyWhatANodeCanStartIsAProgram(bytes: [UInt8], reason: String?) throws {
        let refusal = ProgramFile.refusal(bytes, machine: .x86_64)
        #expect((refusal == nil) == (reason == nil), "\(refusal ?? "")")
        if let reason { #expect(try #require(refusal).contains(reason)) }
    }

    @Test func argumentsAreTheOnlyInput() throws {
        let request = RunRequest(graph: try Reference("anna/a.out"), arguments: ["-n", "two words", ""])
        let inputs = try request.resolveInputs(for: Self.graph)
        #expect(inputs == ["a.out": .items([["arguments": ["-n", "two words", ""]]])])
        let plan = Plan(layout: .fused, ranksRequested: 1, ranks: 1, stages: [], workers: [], firstInstances: [0], reasons: [])
        let document = RunDocument(
            run: RunID(milliseconds: 0, random: [UInt8](repeating: 0, count: 10)), attempt: 1, graph: Self.graph, plan: plan,
            inputs: inputs,
            interpreter: "", module: "a.out", attribute: nil)
        #expect(document.arguments == ["-n", "two words", ""])
    }

    @Test func inputsAndArgumentsAreNotMistakenForEachOther() throws {
        let reference = try Reference("anna/x")
        let cases: [(RunRequest, WorkflowGraph, String)] = [
            (RunRequest(graph: reference, inputs: .iterations(3)), Self.graph, "/inputs"),
            (RunRequest(graph: reference, arguments: []), Self.pes, "/arguments"),
            (RunRequest(graph: reference, arguments: [String(repeating: "x", count: 128 << 10)]), Self.graph, "/arguments"),
        ]
        for (request, graph, pointer) in cases {
            let problem = #expect(throws: Problem.self) { try request.resolveInputs(for: graph) }
            #expect(problem?.errors.first?.pointer == pointer)
        }
        #expect(try RunRequest(graph: reference).resolveInputs(for: Self.pes) == ["Read0": .count(1)])
    }

    @Test func anApplicationIsAloneInItsGraph() throws {
        try Self.graph.validate()
        var graph = Self.graph
        graph.elements.append(ProcessElement(id: "Read1", name: "Read"))
        let problem = #expect(throws: Problem.self) { try graph.validate() }
        #expect(problem?.errors.first?.pointer == "/elements/0/application")
    }

    @Test func itIsKeptInJSONAndInBase64() throws {
        #expect(try WireJSON.decode(WorkflowGraph.self, from: WireJSON.encode(Self.graph)) == Self.graph)
        let program: [UInt8] = [0x7F, 0, 255, 10]
        var registered = RegisteredGraph(
            reference: try Reference("anna/a.out@1"), digest: "", owner: "", registeredAt: Date(), documentation: nil, environment: nil,
            attribute: nil, filename: "a.out", application: .mpi, graph: nil, source: Data(program).base64EncodedString())
        #expect(registered.module == program)
        registered.application = nil
        registered.source = "text"
        #expect(registered.module == Array("text".utf8))
    }
}
