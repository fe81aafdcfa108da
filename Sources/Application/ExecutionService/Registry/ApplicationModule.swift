// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import WorkflowModel

/// A program that is registered as an application: nothing of it is run, it is only looked at.
enum ApplicationModule {
    /// - Throws: `Problem` when it could not run on a node.
    static func load(_ application: Application, _ registration: GraphRegistration) throws(Problem) -> ModuleLoader.LoadedModule {
        let filename = registration.filename
        var errors: [Problem.FieldError] = []
        if !Reference.isName(filename) {
            errors.append(
                .init("/filename", "'\(filename)' is not 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"))
        }
        if registration.attribute != nil { errors.append(.init("/attribute", "an application has no attributes: leave it out")) }
        if registration.environment != nil {
            errors.append(.init("/environment", "an application runs in no Python environment: leave it out"))
        }
        let program = Data(base64Encoded: registration.source)
        if let program {
            if let refusal = ProgramFile.refusal(program) { errors.append(.init("/source", "'\(filename)' cannot run: \(refusal)")) }
        } else {
            errors.append(.init("/source", "is not base64 (RFC 4648), as an application's program is sent"))
        }
        guard let program, errors.isEmpty else {
            throw Problem(.invalid, "The application cannot be registered.", errors: errors)
        }
        let graph = WorkflowGraph(application: application, program: filename, digest: SHA256.hash(data: program).hexadecimal)
        return ModuleLoader.LoadedModule(graph: graph, documentation: "MPI application of \(program.count) bytes.", attribute: nil)
    }
}
