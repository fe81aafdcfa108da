// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WorkflowModel

@testable import ExecutionService

@Suite struct ApplicationModuleTests {
    private func registration(
        _ program: String = Data("#!/bin/sh\n".utf8).base64EncodedString(), filename: String = "run.sh", attribute: String? = nil,
        environment: String? = nil
    ) throws -> GraphRegistration {
        GraphRegistration(
            name: try Reference("anna/run.sh"), filename: filename, source: program, attribute: attribute, environment: environment,
            application: .mpi)
    }

    @Test func aProgramBecomesAGraphOfOneElement() throws {
        let module = try ApplicationModule.load(.mpi, registration())
        let element = try #require(module.graph.elements.first)
        #expect(module.graph.elements.count == 1 && module.graph.application == .mpi)
        #expect(element.id == "run.sh" && element.inputs.isEmpty && element.outputs == ["files"])
        // printf '#!/bin/sh\n' | sha256sum
        #expect(element.digest == "a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf")
    }

    @Test func whatCannotRunIsNamedByItsField() throws {
        let cases: [(GraphRegistration, String, String)] = [
            (try registration("no base64"), "/source", "not base64"), (try registration("aGVsbG8="), "/source", "neither an ELF program"),
            (try registration(filename: "../x"), "/filename", "beginning with a letter or digit"),
            (try registration(attribute: "graph"), "/attribute", "leave it out"),
            (try registration(environment: "abc"), "/environment", "leave it out"),
        ]
        for (registration, pointer, detail) in cases {
            let problem = #expect(throws: Problem.self) { try ApplicationModule.load(.mpi, registration) }
            #expect(problem?.kind == .invalid && problem?.errors.map(\.pointer) == [pointer])
            #expect(problem?.errors.first?.detail.contains(detail) == true)
        }
    }
}
