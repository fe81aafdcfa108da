// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct GraphShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Shows one graph: its PEs, ports, groupings and edges.")

    @Argument(help: "namespace/name or namespace/name@version.", transform: parseReference)
    var graph: Reference

    @Flag(help: "The module's text, or an application's program, and nothing else.")
    var source = false

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let found: RegisteredGraph = try await connection.client().get("graphs", graph.namespace, graph.versionedName)
        if source {
            StandardStreams.output(bytes: found.module ?? [])
        } else {
            try output.show(found, name: found.reference.description, text: GraphRendering.describe)
        }
    }
}
