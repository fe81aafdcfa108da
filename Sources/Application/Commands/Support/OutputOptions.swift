// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
    case table, json, name
}

/// How a command shows what the server answered.
struct OutputOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "table for people, json for the API's document, name for identifiers only.")
    var output = OutputFormat.table

    @Flag(name: .shortAndLong, help: "Identifiers only; the same as -o name.")
    var quiet = false

    var format: OutputFormat { quiet ? .name : output }

    /// Shows one document.
    func show<Document: Encodable>(_ document: Document, name: String, text: (Document) -> String) throws {
        switch format {
        case .table: StandardStreams.output(text(document))
        case .json: try Self.showJSON(document)
        case .name: StandardStreams.output(name)
        }
    }

    /// Shows a list; in JSON as an array, as names one a line.
    func show<Item: Encodable>(_ list: [Item], name: (Item) -> String, empty: String, table: ([Item]) -> Table) throws {
        switch format {
        case .json: try Self.showJSON(list)
        case .name: list.forEach { StandardStreams.output(name($0)) }
        case .table where list.isEmpty: StandardStreams.chatter(empty)
        case .table: StandardStreams.output(table(list).render(.output))
        }
    }

    static func showJSON(_ document: some Encodable) throws {
        StandardStreams.output(bytes: try WireJSON.encode(document, pretty: true) + [UInt8(ascii: "\n")])
    }
}
