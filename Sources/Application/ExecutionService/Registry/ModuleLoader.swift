// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import GraphFormats
import PythonPackage
import WorkflowModel

/// Loads a Python module in a process of its own, with limits of time and memory, and gets its graph as a document.
struct ModuleLoader: Sendable {
    struct LoadedModule: Decodable {
        var graph: WorkflowGraph
        var documentation: String?
        var attribute: String?
    }

    static let maximumReport = 32 << 20

    var interpreter: String
    var seconds: Int
    var memoryMB: Int
    /// Where the temporary folder of a load is made.
    var folder: String

    /// - Throws: `Problem` with the file, line and remedy when the module cannot be loaded or its graph cannot run.
    func load(filename: String, source: String, attribute: String?) async throws -> LoadedModule {
        let folder = "\(folder)/load-\(UUID().uuidString.lowercased())"
        try Files.makeFolder(folder + "/module")
        defer { Files.remove(folder) }
        try PythonFiles.write(to: folder + "/python")
        try Files.write(source.utf8, to: "\(folder)/module/\(filename)")

        let shell = Shell(seconds: seconds, folder: folder, environment: PythonFiles.environment(folder: folder + "/python"))
        // File descriptor 3 carries the report, so that what the module prints cannot disturb it.
        let script = """
            ulimit -v \(memoryMB << 10) -t \(seconds) -f \(Self.maximumReport >> 9) -c 0
            exec "$@" 3>report 1>output 2>&1 </dev/null
            """
        let arguments = [interpreter, "-u", "-m", "weft.loader", "module/\(filename)"] + (attribute.map { ["--attribute", $0] } ?? [])
        let status = try await shell.run(script, arguments)
        let output = Files.readText(folder + "/output", last: 4000)

        let bytes = try SmallFile.read(folder + "/report") ?? []
        guard status == 0 || !bytes.isEmpty else {
            throw Problem(.invalid, Self.explain(status: status, filename: filename, loader: self, output: output))
        }
        let report: ModuleReport
        do {
            report = try WireJSON.decode(ModuleReport.self, from: bytes)
        } catch {
            throw Problem(.invalid, "\(filename) was loaded, but its graph could not be read: \(error). It printed: \(output)")
        }
        let graph = try report.validGraph(of: filename).withCheckedNativeElements()
        return LoadedModule(graph: graph, documentation: report.documentation, attribute: report.attribute)
    }

    private static func explain(status: Int, filename: String, loader: ModuleLoader, output: String) -> String {
        let words = output.isEmpty ? "" : " It printed: " + output
        return switch status {
        case Shell.timedOut, 128 + 24, 128 + 9:
            "\(filename) was not loaded within \(loader.seconds) s and \(loader.memoryMB) MiB: move work from the module's top level into its PEs."
                + words
        case 126, 127: "The Python interpreter \(loader.interpreter) cannot be started.\(words)"
        default: "Loading \(filename) ended the Python process with status \(status).\(words)"
        }
    }
}

/// The `weft` Python package, as files that an interpreter can import.
enum PythonFiles {
    static func write(to folder: String) throws {
        for file in PythonPackage.files {
            let path = "\(folder)/\(file.path)"
            try Files.makeFolder((path as NSString).deletingLastPathComponent)
            try Files.write(file.contents, to: path)
        }
    }

    static func environment(folder: String) -> [String: String] {
        ["PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"]
    }
}
