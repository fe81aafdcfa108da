// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct GraphCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graph", abstract: "Graphs in the registry.",
        subcommands: [GraphRegister.self, GraphList.self, GraphShow.self, GraphSearch.self, GraphDraw.self])
}

/// A name in the registry on the command line.
func parseReference(_ text: String) throws -> Reference {
    do {
        return try Reference(text)
    } catch {
        throw ValidationError(error.detail)
    }
}

extension Reference {
    /// The last part of its path in the API.
    var versionedName: String { name + (version.map { "@\($0)" } ?? "") }
}
