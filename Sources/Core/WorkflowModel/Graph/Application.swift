// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// A program with ranks of its own, which runs in place of PEs. In a graph it is a single element, an instance for each rank.
package enum Application: String, Sendable, Codable, CaseIterable {
    case mpi
}

extension WorkflowGraph {
    /// The output of an application: the files that it left in its working directory.
    package static let filesPort = "files"

    /// - Parameters:
    ///   - program: name of its file.
    ///   - digest: SHA-256 (hex) of its content.
    package init(application: Application, program: String, digest: String) {
        self.init(
            elements: [ProcessElement(id: program, name: program, outputs: [Self.filesPort], digest: digest, application: application)],
            edges: [])
    }

    /// Nil for a graph of PEs.
    package var application: Application? { elements.first?.application }
}

extension RegisteredGraph {
    /// The content of the module's file; an application's program is kept in base64.
    /// - Returns: nil in lists, and for what is no base64.
    package var module: [UInt8]? {
        application == nil ? source.map { Array($0.utf8) } : source.flatMap { Data(base64Encoded: $0) }.map { Array($0) }
    }
}

extension RunRequest {
    package static let maximumArgumentBytes = 128 << 10
    /// Key of an application's arguments in its only input item.
    fileprivate static let argumentsKey = "arguments"

    /// Inputs by element id, complete: ``RunInputs/resolve(_:for:)``, or the arguments of an application as its only item.
    package func resolveInputs(for graph: WorkflowGraph) throws(Problem) -> [String: SourceInput] {
        guard let element = graph.elements.first, element.application != nil else {
            guard arguments == nil else {
                throw Problem(
                    .invalid, "Only an MPI application takes arguments.",
                    errors: [.init("/arguments", "\(self.graph) is a graph of PEs: give it inputs")])
            }
            return try RunInputs.resolve(inputs, for: graph)
        }
        guard inputs == nil else {
            throw Problem(
                .invalid, "An MPI application reads no inputs.", errors: [.init("/inputs", "give \(element.id) its arguments instead")])
        }
        let arguments = arguments ?? []
        guard arguments.reduce(0, { $0 + $1.utf8.count + 1 }) <= Self.maximumArgumentBytes else {
            throw Problem(
                .invalid, "The arguments are too long.",
                errors: [.init("/arguments", "more than \(Self.maximumArgumentBytes >> 10) KiB: write them into a file")])
        }
        return [element.id: .items([.object([Self.argumentsKey: .array(arguments.map { .string($0) })])])]
    }
}

extension RunDocument {
    /// What an application is given.
    package var arguments: [String] {
        guard let id = graph.elements.first?.id, case .items(let items)? = inputs[id] else { return [] }
        return items.first?[RunRequest.argumentsKey]?.arrayValue?.compactMap(\.stringValue) ?? []
    }
}
