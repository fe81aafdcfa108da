// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import GraphFormats
import Storage
package import WorkflowModel

extension ExecutionService {
    /// Loads the module in a separate process, checks the graph, and stores it under a new version, or finds the same content.
    /// A graph in YAML is turned into a module first.
    package func registerGraph(_ registration: GraphRegistration, by principal: Principal) async throws(Problem)
        -> (graph: RegisteredGraph, created: Bool)
    {
        let registration = registration.application == nil ? try Self.withModule(registration) : registration
        let module = try await load(registration)
        let graph = RegisteredGraph(
            reference: registration.name, digest: digest(of: registration), owner: principal.label, registeredAt: Date(),
            documentation: module.documentation, environment: registration.environment, attribute: module.attribute,
            filename: registration.filename, application: registration.application, graph: module.graph, source: registration.source)
        switch try await stored({ try await storage.registerGraph(graph, owner: principal) }) {
        case .created(let graph): return (graph, true)
        case .same(let graph): return (graph, false)
        case .conflict(let existing):
            throw Problem(
                .conflict,
                "\(existing.reference) is registered with other content (\(existing.digest)); a version never changes. "
                    + "Register under another version, or leave the version out to get the next one.")
        case .namespaceTaken(let owner):
            throw Problem(
                .forbidden, "The namespace '\(registration.name.namespace)' belongs to \(owner).",
                errors: [.init("/name", "choose another namespace")])
        }
    }

    private static func withModule(_ registration: GraphRegistration) throws(Problem) -> GraphRegistration {
        guard YAMLGraph.isGraph(filename: registration.filename) else { return registration }
        var module = registration
        module.source = try YAMLGraph.module(from: registration.source, filename: registration.filename)
        module.filename = YAMLGraph.moduleName(for: registration.filename)
        return module
    }

    private func load(_ registration: GraphRegistration) async throws(Problem) -> ModuleLoader.LoadedModule {
        if let application = registration.application { return try ApplicationModule.load(application, registration) }
        let ending = [".py", ".json"].first { registration.filename.hasSuffix($0) } ?? registration.filename
        let stem = registration.filename.dropLast(ending.count)
        guard !stem.isEmpty, stem.utf8.allSatisfy({ $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") || isASCIIAlphanumeric($0) }) else {
            throw Problem(
                .invalid, "The module needs a file name that can be loaded.",
                errors: [
                    .init("/filename", "'\(registration.filename)' is not letters, digits, '_' or '-' followed by .py, .yaml or .json")
                ])
        }
        let interpreter = try await interpreter(for: registration.environment)
        let loader = ModuleLoader(
            interpreter: interpreter, seconds: configuration.registrationSeconds, memoryMB: configuration.registrationMemoryMB,
            folder: "\(configuration.dataFolder)/modules")
        do {
            return try await processGate.pass {
                try await loader.load(filename: registration.filename, source: registration.source, attribute: registration.attribute)
            }
        } catch let problem as Problem {
            throw problem
        } catch {
            throw Problem(.internalError, "The module could not be loaded: \(error)")
        }
    }

    package func graph(_ reference: Reference) async throws(Problem) -> RegisteredGraph {
        guard let graph = try await stored({ try await storage.graph(reference) }) else {
            throw Problem(.notFound, "No graph is registered as \(reference).")
        }
        return graph
    }

    /// Latest versions first; with `search`, by rank of the full-text match. `name` restricts to the versions of one graph.
    package func graphs(search: String?, name: Reference?, page: PageRequest) async throws(Problem) -> Page<RegisteredGraph> {
        try await stored { try await storage.graphs(search: search, name: name, page: page) }
    }

    package func element(_ reference: Reference) async throws(Problem) -> RegisteredElement {
        guard let element = try await stored({ try await storage.element(reference) }) else {
            throw Problem(.notFound, "No PE is registered as \(reference).")
        }
        return element
    }

    package func elements(search: String?, page: PageRequest) async throws(Problem) -> Page<RegisteredElement> {
        try await stored { try await storage.elements(search: search, page: page) }
    }

    package enum DrawingFormat: String, Sendable, CaseIterable { case text, dot, svg }

    package func drawing(of reference: Reference, as format: DrawingFormat) async throws(Problem) -> String {
        let registered = try await graph(reference)
        guard let graph = registered.graph else { throw Problem(.internalError, "\(registered.reference) was stored without its graph.") }
        switch format {
        case .text: return graph.text
        case .dot: return graph.dot(title: "\(registered.reference)")
        case .svg:
            let dot = graph.dot(title: "\(registered.reference)")
            do { return try await processGate.pass { try await svg(dot) } } catch let problem as Problem { throw problem } catch {
                throw Problem(.internalError, "The graph could not be drawn: \(error)")
            }
        }
    }

    private func svg(_ dot: String) async throws -> String {
        let folder = "\(configuration.dataFolder)/modules/draw-\(UUID().uuidString.lowercased())"
        defer { Files.remove(folder) }
        try Files.makeFolder(folder)
        try Files.write(dot.utf8, to: folder + "/graph.dot")
        let script = """
            ulimit -v \(configuration.registrationMemoryMB << 10) -c 0
            exec dot -Tsvg graph.dot > graph.svg 2> error
            """
        switch try await Shell(seconds: 20, folder: folder).run(script, []) {
        case 0: return Files.readText(folder + "/graph.svg", last: 16 << 20)
        case 127: throw Problem(.unavailable, "The server has no Graphviz (apt install graphviz); the formats text and dot need none.")
        case let status:
            throw Problem(.internalError, "dot ended with status \(status): \(Files.readText(folder + "/error", last: 500))")
        }
    }

    /// `sha256:` and the digest of all that makes the version what it is; lengths keep the fields apart.
    private func digest(of registration: GraphRegistration) -> String {
        var hash = SHA256()
        let fields = [registration.filename, registration.source, registration.attribute ?? "", registration.environment ?? ""]
        for field in fields + (registration.application.map { [$0.rawValue] } ?? []) {
            hash.update(data: Data("\(field.utf8.count):".utf8))
            hash.update(data: Data(field.utf8))
        }
        return "sha256:" + hash.finalize().hexadecimal
    }

    private func isASCIIAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        default: false
        }
    }
}

extension Sequence<UInt8> {
    /// Two lower-case digits for each byte.
    var hexadecimal: String { map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }
}
