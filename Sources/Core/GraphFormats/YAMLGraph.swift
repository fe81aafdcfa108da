// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Graphs written in YAML: they are turned into `graph.json`, a module that Weft loads as it loads a Python file.
///
///     elements:
///       - {name: Read, native: csv, parameters: {path: readings.csv}}
///       - {name: Warm, native: filter, parameters: {expression: temperature > 20}}
///       - {name: Sort, command: [sort, -n], mode: bytes}
///       - {name: Fit, python: "fit.py:Fit", processes: 2}
///     edges:
///       - Read.output -> Warm.input
///       - [Warm, Fit]
package enum YAMLGraph {
    package static let maximumBytes = 1 << 20
    private static let endings = [".yaml", ".yml"]

    package static func isGraph(filename: String) -> Bool { endings.contains { filename.hasSuffix($0) } }

    /// The name under which the module is kept: `flow.json` for `flow.yaml`.
    package static func moduleName(for filename: String) -> String {
        endings.first { filename.hasSuffix($0) }.map { filename.dropLast($0.count) + ".json" } ?? filename
    }

    /// The text of the module: the same for the same graph, however it is laid out.
    /// - Parameters:
    ///   - filename: for the errors, which name line and field.
    ///   - directory: where `python: file.py:Class` is to be looked for; nil: beside the module.
    package static func module(from yaml: String, filename: String, directory: String? = nil) throws(Problem) -> String {
        guard yaml.utf8.count <= maximumBytes else {
            throw Problem(
                .invalid, "\(filename) is larger than 1 MiB.", errors: [.init("/source", "split the graph, or write it in Python")])
        }
        let root: YAMLNode
        do throws(YAMLNode.SyntaxError) { root = try YAMLNode.parse(yaml) } catch {
            throw Problem(.invalid, "\(filename), line \(error.line): \(error.reason)")
        }
        var reader = GraphReader(directory: directory)
        let document = reader.graph(root)
        guard reader.errors.isEmpty else {
            let details = reader.errors.map { "\(filename), line \($0.line): \($0.detail)" }
            if details.count == 1 { throw Problem(.invalid, details[0]) }
            throw Problem(.invalid, "\(filename) has \(details.count) errors.", errors: details.map { .init("/source", $0) })
        }
        do {
            return String(decoding: try WireJSON.encode(document, pretty: true), as: UTF8.self) + "\n"
        } catch {
            throw Problem(.invalid, "\(filename) holds a number that JSON does not have: \(error)")
        }
    }
}
