// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct ElementShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Shows one PE: its ports and the graphs that use it.")

    @Argument(help: "namespace/name or namespace/name@version.", transform: parseReference)
    var element: Reference

    @Flag(help: "The PE's source text, and nothing else.")
    var source = false

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let found: RegisteredElement = try await connection.client().get("elements", element.namespace, element.versionedName)
        if source {
            StandardStreams.output(bytes: Array((found.source ?? "").utf8))
        } else {
            try output.show(found, name: found.reference.description, text: GraphRendering.describe)
        }
    }
}
