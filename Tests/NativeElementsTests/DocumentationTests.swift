// SPDX-License-Identifier: Apache-2.0

import Foundation
import NativeElements
import Testing
import WorkflowModel

/// `docs/native-elements.md` and `weft.native` say what the catalogue says.
struct DocumentationTests {
    private static let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "docs/native-elements.md")
    private static let markers = (start: "<!-- operations -->\n", end: "<!-- end of operations -->\n")

    private static var described: String {
        NativeCatalogue.operations.map { operation in
            let input = operation.sourceParameter.map { "`input`, unless `\($0)` is given" } ?? "`input`"
            var text = "### `\(operation.name)`\n\n\(operation.documentation)\n\nInput: \(input). Output: `output`."
            if operation.isStateful {
                text +=
                    operation.parameters.contains { $0.name == "key" }
                    ? " Keeps state: without `key` it has one instance." : " Keeps state: it has one instance."
            }
            if !operation.parameters.isEmpty {
                text += "\n\n| parameter | is | default | meaning |\n|---|---|---|---|"
                for parameter in operation.parameters {
                    let fallback = parameter.isRequired ? "needed" : parameter.fallback ?? ""
                    text += "\n| `\(parameter.name)` | \(parameter.kind.name) | \(fallback) | \(parameter.documentation) |"
                }
            }
            return text + "\n\n"
        }.joined()
    }

    @Test func pageListsTheCatalogue() throws {
        let text = try String(contentsOf: Self.page, encoding: .utf8)
        let start = try #require(text.range(of: Self.markers.start)).upperBound
        let end = try #require(text.range(of: Self.markers.end)).lowerBound
        if ProcessInfo.processInfo.environment["WEFT_UPDATE_DOCS"] != nil {
            try (text[..<start] + "\n" + Self.described + text[end...]).write(to: Self.page, atomically: true, encoding: .utf8)
        } else {
            #expect(text[start..<end] == "\n" + Self.described, "run this test with WEFT_UPDATE_DOCS=1")
        }
    }

    @Test func pageListsTheFunctions() throws {
        let text = try String(contentsOf: Self.page, encoding: .utf8)
        for function in Expression.functions { #expect(text.contains(function), "\(function) is missing") }
    }

    @Test func pythonDeclaresTheCatalogue() throws {
        let script = """
            import json, weft.native as native
            rows = []
            for name, (source, stateful) in native.OPERATIONS.items():
                plain, keyed = native.NativePE(name), native.NativePE(name, key=["a", 0])
                given = native.NativePE(name, **({source: "x"} if source else {}))
                grouping = keyed.inputconnections["input"].get("grouping")
                rows.append([name, source, stateful, plain.single, len(given.inputconnections), grouping])
            print(json.dumps(rows))
            """
        let declared = try WireJSON.decode(JSONValue.self, from: try Python.run(script))
        let catalogue = NativeCatalogue.operations.map { operation -> JSONValue in
            let given: [String: JSONValue] = operation.sourceParameter.map { [$0: "x"] } ?? [:]
            return [
                .string(operation.name), operation.sourceParameter.map { .string($0) } ?? .null, .bool(operation.isStateful),
                .bool(operation.isSingle([:])), .integer(Int64(operation.inputs(given).count)), ["a", 0],
            ]
        }
        #expect(declared == .array(catalogue))
    }
}
