// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

/// A program with ranks of its own, in place of a registered graph.
struct ApplicationOptions: ParsableArguments {
    @Option(
        name: .customLong("mpi"),
        help: ArgumentHelp("An MPI program, in place of a graph: it is registered under its file's name, and run.", valueName: "program"))
    var program: String?

    @Argument(parsing: .postTerminator, help: "After --: what the program is given.")
    var arguments: [String] = []

    /// Registers the program; the same content is the same version.
    func register(_ path: String, _ client: APIClient) async throws -> Reference {
        let content = try TextFile.bytes(path)
        let filename = path.split(separator: "/").last.map(String.init) ?? path
        let name = try GraphRegister.defaultName(user: UserFolders().name, filename: filename)
        do {
            let registered: RegisteredGraph = try await client.post(
                "graphs",
                body: GraphRegistration(
                    name: name, filename: filename, source: Data(content).base64EncodedString(), application: .mpi))
            return registered.reference
        } catch let problem as Problem where problem.kind == .tooLarge {
            throw CommandFailure(
                "'\(path)' has \(content.count) bytes, and a third more as it is sent. \(problem.detail) Make it smaller (strip), have the "
                    + "server's limits.body_bytes raised, or submit a script that starts it from a folder that all nodes see.")
        }
    }
}
