// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

struct GraphRegister: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "register", abstract: "Registers the graph of a Python module, or one written in YAML.",
        discussion: "The same module again is the same version. Other content under a version that is taken is refused.")

    @Argument(help: "The Python module, as workflow.py, or a graph in YAML, as workflow.yaml.")
    var file: String

    @Option(help: "The module's variable that holds the graph, where there are several.")
    var graph: String?

    @Option(help: "namespace/name or namespace/name@version (default: your user name and the name of the file).", transform: parseReference)
    var name: Reference?

    @Option(help: "A requirements.txt; the environment is built when it is not there yet.")
    var requirements: String?

    @Option(help: ArgumentHelp("How long the environment may take to build.", valueName: "seconds"))
    var timeout = 1800.0

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let client = try connection.client()
        let source = try TextFile.read(file)
        let filename = file.split(separator: "/").last.map(String.init) ?? file
        let reference = try name ?? Self.defaultName(user: UserFolders().name, filename: filename)
        var environment: String?
        if let requirements {
            environment = try await EnvironmentBuild(client: client, timeout: timeout).ready(try TextFile.read(requirements))
        }
        let registered: RegisteredGraph = try await client.post(
            "graphs",
            body: GraphRegistration(name: reference, filename: filename, source: source, attribute: graph, environment: environment))
        try output.show(registered, name: registered.reference.description, text: GraphRendering.describe)
    }

    /// `user/stem`, with what a name may not hold replaced by `-`.
    static func defaultName(user: String, filename: String) throws -> Reference {
        let ending = [".py", ".yaml", ".yml", ".json"].first { filename.hasSuffix($0) } ?? ""
        let stem = filename.dropLast(ending.count)
        let clean: (Substring) -> String = { text in
            let parts = text.map { Reference.isName("a\($0)") ? $0 : "-" }
            return String(parts.drop { !Reference.isName(String($0)) }.prefix(64))
        }
        let name = "\(clean(user[...]))/\(clean(stem))"
        do {
            return try Reference(name)
        } catch {
            throw ValidationError("No name can be made of '\(filename)'. Give one with --name namespace/name.")
        }
    }
}

/// Asks for a Python environment and waits until it is built.
struct EnvironmentBuild: Sendable {
    var client: APIClient
    var timeout: Double

    /// - Returns: its digest.
    func ready(_ requirements: String) async throws -> String {
        let progress = Progress()
        var environment: PythonEnvironment = try await client.post("environments", body: EnvironmentRequest(requirements: requirements))
        let digest = environment.digest
        if environment.state == .building { progress.step("building the Python environment \(digest.prefix(12))") }
        let deadline = ContinuousClock.now + .seconds(timeout)
        var said = ""
        while environment.state == .building {
            guard ContinuousClock.now < deadline else {
                throw CommandFailure(
                    "The Python environment \(digest.prefix(12)) is not ready after \(Format.duration(timeout)). It is still being built: "
                        + "register the graph again later.", status: .timeout)
            }
            try await Task.sleep(for: .seconds(1))
            environment = try await client.get("environments", digest)
            if let line = environment.log.split(separator: "\n").last.map({ Format.shortened(String($0), to: 100) }), line != said {
                progress.step(line)
                said = line
            }
        }
        guard environment.state == .ready else {
            throw CommandFailure("The Python environment cannot be built from these requirements:\n\(environment.log)")
        }
        return digest
    }
}
