// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

struct GraphDraw: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "draw", abstract: "Draws a graph.")

    enum Format: String, CaseIterable, ExpressibleByArgument { case text, dot, svg }

    @Argument(help: "namespace/name or namespace/name@version.", transform: parseReference)
    var graph: Reference

    @Option(help: "text, dot (Graphviz) or svg.")
    var format = Format.text

    @Option(help: ArgumentHelp("Write to this file.", valueName: "file"))
    var out: String?

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let drawing = try await connection.client()
            .document("graphs", graph.namespace, graph.versionedName, "drawing", query: [("format", format.rawValue)])
        guard let out else { return StandardStreams.output(bytes: drawing.last == 0x0A ? drawing : drawing + [0x0A]) }
        do {
            try Data(drawing).write(to: URL(filePath: out))
        } catch {
            throw CommandFailure("'\(out)' cannot be written: \(error)")
        }
    }
}
