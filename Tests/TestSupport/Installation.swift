// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import HTTPClient
package import WorkflowModel

/// A whole Weft of its own: private PostgreSQL, server, local issuer, all started with `weft up` in a temporary folder.
package final class Installation: Sendable {
    package let folder: String
    package let port: Int
    private let arguments: [String]
    private let serverEnvironment: [String: String]

    /// - Parameters:
    ///   - arguments: further ones for `weft up`.
    ///   - environment: further variables of the server.
    package static func start(
        _ arguments: [String] = [], environment: [String: String] = [:], prepare: (String) async throws -> Void = { _ in }
    ) async throws -> Installation {
        let installation = Installation(arguments: arguments, serverEnvironment: environment)
        try FileManager.default.createDirectory(atPath: installation.folder, withIntermediateDirectories: true)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: installation.folder)
        try await prepare(installation.folder)
        try await installation.up()
        return installation
    }

    private init(arguments: [String], serverEnvironment: [String: String]) {
        // Short, since a Unix socket's path is.
        folder = "/tmp/weft-\(UUID().uuidString.prefix(8).lowercased())"
        port = Self.freePort()
        self.arguments = arguments
        self.serverEnvironment = serverEnvironment
    }

    /// Below the range from which the system gives ports to whoever asks for any.
    private static func freePort() -> Int {
        let candidates = (0..<100).map { _ in Int.random(in: 20000..<32000) }
        return candidates.first(where: isFree) ?? candidates[0]
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    package var url: String { "http://127.0.0.1:\(port)" }

    private var environment: [String: String] {
        ["XDG_CONFIG_HOME": folder + "/config", "WEFT_DATA": folder, "NO_COLOR": "1"]
    }

    /// Starts what is not running.
    package func up() async throws {
        let result = try await weft(
            ["up", "--data", folder, "--port", "\(port)"] + arguments, environment: serverEnvironment, seconds: 180)
        guard result.status == 0 else { throw TimeoutError(description: "weft up failed: \(result)") }
    }

    /// Ends everything and removes the folder.
    package func down() async {
        _ = try? await weft(["down", "--data", folder])
        _ = try? await Program.run("/bin/rm", ["-rf", folder])
    }

    /// Runs the CLI against this installation.
    package func weft(_ arguments: [String], environment extra: [String: String] = [:], seconds: Int = 120) async throws -> ProgramResult {
        try await Program.run(
            Program.path(of: "weft"), arguments, environment: environment.merging(extra) { $1 }, seconds: seconds)
    }

    /// Runs the CLI with `-o json`, and decodes what it prints.
    package func json<T: Decodable>(_ type: T.Type, _ arguments: [String], seconds: Int = 120) async throws -> T {
        let result = try await weft(arguments + ["-o", "json"], seconds: seconds)
        do {
            return try WireJSON.decode(type, from: result.output.utf8)
        } catch {
            throw TimeoutError(description: "weft \(arguments.joined(separator: " ")) printed no \(type): \(error)\n\(result)")
        }
    }

    /// The caller's token.
    package func token() async throws -> String {
        try await weft(["auth", "token"]).output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The values of `/metrics` by name and labels, as the lines have them.
    package func metrics() async throws -> [String: Double] {
        let response = try await HTTPClient().send(HTTPRequest(url: url + "/metrics"))
        let lines = String(decoding: response.body, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }
        let pairs = lines.compactMap { line in
            line.lastIndex(of: " ").map { (String(line[..<$0]), Double(line[line.index(after: $0)...]) ?? .nan) }
        }
        return Dictionary(pairs, uniquingKeysWith: { $1 })
    }

    /// Registers a module of `Tests/IntegrationTests/Workflows`.
    @discardableResult
    package func register(_ name: String) async throws -> String {
        let file = Program.root.appending(path: "Tests/IntegrationTests/Workflows/\(name).py").path()
        let result = try await weft(["graph", "register", file, "--name", "test/\(name)"])
        guard result.status == 0 else { throw TimeoutError(description: "\(name) was not registered: \(result)") }
        return "test/\(name)"
    }

    /// Submits and answers the run's id.
    package func submit(_ arguments: [String]) async throws -> String {
        let result = try await weft(["run", "submit", "-o", "name"] + arguments)
        let id = result.output.trimmingCharacters(in: .whitespacesAndNewlines)
        guard result.status == 0, RunID(id) != nil else { throw TimeoutError(description: "not submitted: \(result)") }
        return id
    }

    package func show(_ run: String) async throws -> Run { try await json(Run.self, ["run", "show", run]) }

    package func wait(for run: String, toBe state: RunState, seconds: Double = 30) async throws {
        try await TestSupport.wait(for: "\(run) to be \(state.rawValue)", seconds: seconds) {
            let now = try await show(run).state
            if now.isFinal && now != state {
                let run = try await show(run)
                throw TimeoutError(description: "\(run.id) ended \(now.rawValue): \(run.failure.map { "\($0)" } ?? "")")
            }
            return now == state
        }
    }

    /// Process ids of the server, which is started with a configuration file in the folder.
    package func serverProcesses() -> [Int32] {
        Self.processes { id in
            guard let command = FileManager.default.contents(atPath: "/proc/\(id)/cmdline") else { return false }
            let words = command.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return words.first?.hasSuffix("/weftd") == true && words.contains { $0.contains(folder) }
        }
    }

    /// Live processes that carry the run's mark in their environment.
    package static func processes(of run: String) -> [Int32] {
        processes { id in
            let environment = FileManager.default.contents(atPath: "/proc/\(id)/environ") ?? Data()
            return environment.split(separator: 0).contains(Data("WEFT_RUN_ID=\(run)".utf8))
        }
    }

    private static func processes(where condition: (Int32) -> Bool) -> [Int32] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { Int32($0) }.filter(condition)
    }
}
