// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Holds the package to the arrows that `docs/architecture.md` draws.
@Suite struct ImportDirectionTests {
    /// For each target, the targets of this package that it may depend on. A new arrow is a decision: write it here and there.
    static let allowed: [String: Set<String>] = [
        "CPostgres": [], "COpenMPI": [], "CCurl": [], "CMPI": ["COpenMPI"], "CNetwork": ["CCurl"], "CPosix": [],

        "WorkflowModel": [],
        "Planning": ["WorkflowModel"],
        "StreamEngine": ["WorkflowModel"],
        "Scheduling": ["WorkflowModel"],
        "Prediction": ["WorkflowModel"],
        "Provenance": ["WorkflowModel"],
        "NativeElements": ["WorkflowModel"],
        "GraphFormats": ["WorkflowModel", "NativeElements"],

        "Postgres": ["CPostgres"],
        "HTTPClient": ["CNetwork"],
        "Identity": ["WorkflowModel", "HTTPClient"],
        "Telemetry": ["WorkflowModel"],
        "MPITransport": ["CMPI", "CPosix", "StreamEngine", "WorkflowModel"],
        "PythonHost": ["CPosix", "StreamEngine", "WorkflowModel"],
        "NativeHost": ["CPosix", "NativeElements", "Provenance", "StreamEngine", "WorkflowModel"],
        "Backends": ["CPosix", "WorkflowModel", "HTTPClient"],
        "PythonPackage": [],

        "Storage": ["Postgres", "WorkflowModel", "Provenance"],
        "ExecutionService": [
            "Storage", "WorkflowModel", "Planning", "Prediction", "Scheduling", "Provenance", "GraphFormats", "Backends",
            "PythonPackage",
        ],
        "HTTPAPI": ["ExecutionService", "WorkflowModel", "Identity", "Telemetry"],
        "Server": [
            "HTTPAPI", "ExecutionService", "Scheduling", "Storage", "Postgres", "Identity", "HTTPClient", "Telemetry", "Backends",
            "WorkflowModel",
        ],
        "RankRuntime": ["WorkflowModel", "StreamEngine", "Provenance", "MPITransport", "PythonHost", "NativeHost", "CPosix"],
        "Commands": [
            "WorkflowModel", "Planning", "Prediction", "Scheduling", "GraphFormats", "Provenance", "HTTPClient", "Identity", "Backends",
            "PythonPackage", "CPosix",
        ],

        "weftd": ["Server"], "weft": ["Commands"], "weft-rank": ["RankRuntime"],
        "scheduler-bench": ["Scheduling", "ExecutionService", "Storage", "Postgres", "Backends", "WorkflowModel"],
    ]

    /// The core may use these modules and nothing that does I/O, reads a clock or starts a thread.
    /// Of the C library, functions of numbers.
    static let pureImports: Set<String> = [
        "Glibc.pow", "Glibc.exp", "Glibc.exp2", "Glibc.log", "FoundationEssentials", "DequeModule", "WorkflowModel", "NativeElements",
        "Yams",
    ]
    static let core = [
        "WorkflowModel", "Planning", "StreamEngine", "Scheduling", "Prediction", "Provenance", "NativeElements", "GraphFormats",
    ]

    /// Names in the pure modules that would reach the outside world through FoundationEssentials.
    static let impureNames = [
        "FileManager", "Date()", "Date.now", "ProcessInfo", "Data(contentsOf", "ContinuousClock", "UUID()", ".random(",
    ]

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test func everyArrowIsAllowed() throws {
        let package = try Self.describePackage()
        let names = Set(package.map(\.name))
        for target in package where target.type != "test" && target.name != "TestSupport" {
            let allowed = try #require(Self.allowed[target.name], "\(target.name) has no row in the table of allowed arrows")
            let actual = target.dependencies.filter(names.contains)
            #expect(Set(actual).subtracting(allowed).isEmpty, "\(target.name) may not depend on \(Set(actual).subtracting(allowed))")
        }
        #expect(Set(Self.allowed.keys).subtracting(names).isEmpty, "the table names targets that do not exist")
    }

    @Test func allowedArrowsFormNoCycle() {
        var finished = Set<String>()
        func visit(_ target: String, path: [String]) {
            if path.contains(target) { Issue.record("cycle: \(path + [target])") }
            guard !path.contains(target), finished.insert(target).inserted else { return }
            for next in Self.allowed[target] ?? [] { visit(next, path: path + [target]) }
        }
        for target in Self.allowed.keys.sorted() { visit(target, path: []) }
    }

    @Test func serverRankAndClientStayApart() {
        func closure(_ target: String) -> Set<String> {
            (Self.allowed[target] ?? []).reduce(into: [target]) { $0.formUnion(closure($1)) }
        }
        #expect(closure("weftd").isDisjoint(with: ["COpenMPI", "CMPI", "MPITransport"]))
        #expect(closure("weft-rank").isDisjoint(with: ["CPostgres", "Postgres", "CCurl", "HTTPClient", "Storage", "HTTPAPI"]))
        #expect(closure("weft").isDisjoint(with: ["CPostgres", "COpenMPI"]))
    }

    @Test(arguments: core) func coreIsPure(_ target: String) throws {
        let folder = Self.root.appending(path: "Sources/Core/\(target)")
        let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        var seen = 0
        for case let file as URL in files where file.pathExtension == "swift" {
            seen += 1
            let text = try String(contentsOf: file, encoding: .utf8)
            for line in text.split(separator: "\n") where line.contains("import ") && !line.hasPrefix("//") {
                let words = line.split(separator: " ")
                guard let keyword = words.firstIndex(of: "import"), keyword < 3, words.allSatisfy({ !$0.contains("\"") }) else { continue }
                let module = words.last.map(String.init) ?? ""
                #expect(Self.pureImports.contains(module), "\(file.lastPathComponent) imports \(module)")
            }
            for name in Self.impureNames {
                #expect(!text.contains(name), "\(file.lastPathComponent) uses \(name)")
            }
        }
        #expect(seen > 0)
    }

    struct TargetDescription {
        var name: String
        var type: String
        var dependencies: [String]
    }

    static func describePackage() throws -> [TargetDescription] {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["swift", "package", "--package-path", root.path(), "--scratch-path", "/tmp/weft-dump-package", "dump-package"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let document = try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
        let targets = try #require(document["targets"] as? [[String: Any]])
        return targets.compactMap { target in
            guard let name = target["name"] as? String, let type = target["type"] as? String else { return nil }
            let dependencies = (target["dependencies"] as? [[String: Any]] ?? []).compactMap { dependency in
                (dependency["byName"] as? [Any])?.first as? String ?? (dependency["target"] as? [Any])?.first as? String
            }
            return TargetDescription(name: name, type: type, dependencies: dependencies)
        }
    }
}
