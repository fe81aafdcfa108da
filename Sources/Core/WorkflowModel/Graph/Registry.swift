// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// Body of `POST /api/v1/graphs`.
package struct GraphRegistration: Sendable, Codable, Hashable {
    /// `namespace/name` (the server numbers the version) or `namespace/name@version`.
    package var name: Reference
    /// File name of the module, as `wordcount.py`.
    package var filename: String
    /// The module's text; an application's program in base64.
    package var source: String
    /// Attribute that holds the graph, where the module has several.
    package var attribute: String?
    /// Digest of a ready Python environment (`POST /api/v1/environments`); absent: the server's plain interpreter.
    package var environment: String?
    /// What is registered is a program with ranks of its own; absent: a module.
    package var application: Application?

    package init(
        name: Reference, filename: String, source: String, attribute: String? = nil, environment: String? = nil,
        application: Application? = nil
    ) {
        self.name = name
        self.filename = filename
        self.source = source
        self.attribute = attribute
        self.environment = environment
        self.application = application
    }
}

/// One immutable version of a graph.
package struct RegisteredGraph: Sendable, Codable, Hashable {
    /// With its version.
    package var reference: Reference
    /// `sha256:` and the hex digest of source, file name, attribute and environment.
    package var digest: String
    package var owner: String
    package var registeredAt: Date
    package var documentation: String?
    package var environment: String?
    package var attribute: String?
    package var filename: String
    package var application: Application?
    /// Absent in lists.
    package var graph: WorkflowGraph?
    /// The module's text; an application's program in base64. Absent in lists.
    package var source: String?

    package init(
        reference: Reference, digest: String, owner: String, registeredAt: Date, documentation: String?, environment: String?,
        attribute: String?, filename: String, application: Application? = nil, graph: WorkflowGraph?, source: String?
    ) {
        self.reference = reference
        self.digest = digest
        self.owner = owner
        self.registeredAt = registeredAt
        self.documentation = documentation
        self.environment = environment
        self.attribute = attribute
        self.filename = filename
        self.application = application
        self.graph = graph
        self.source = source
    }

    private enum CodingKeys: String, CodingKey {
        case reference, digest, owner, documentation, environment, attribute, filename, application, graph, source
        case registeredAt = "registered_at"
    }
}

/// One immutable version of a PE: a class or function that registered graphs use.
package struct RegisteredElement: Sendable, Codable, Hashable {
    /// With its version.
    package var reference: Reference
    /// `sha256:` and the hex digest of the PE's source text and ports.
    package var digest: String
    package var owner: String
    package var registeredAt: Date
    package var documentation: String?
    package var inputs: [InputPort]
    package var outputs: [String]
    /// Absent in lists.
    package var source: String?
    /// Graphs that use this version.
    package var usedBy: [Reference]

    package init(
        reference: Reference, digest: String, owner: String, registeredAt: Date, documentation: String?, inputs: [InputPort],
        outputs: [String], source: String?, usedBy: [Reference]
    ) {
        self.reference = reference
        self.digest = digest
        self.owner = owner
        self.registeredAt = registeredAt
        self.documentation = documentation
        self.inputs = inputs
        self.outputs = outputs
        self.source = source
        self.usedBy = usedBy
    }

    private enum CodingKeys: String, CodingKey {
        case reference, digest, owner, documentation, inputs, outputs, source
        case registeredAt = "registered_at"
        case usedBy = "used_by"
    }
}

/// Body of `POST /api/v1/environments`.
package struct EnvironmentRequest: Sendable, Codable, Hashable {
    /// Text of a `requirements.txt`.
    package var requirements: String

    package init(requirements: String) { self.requirements = requirements }
}

/// A Python environment, built once for each text of requirements.
package struct PythonEnvironment: Sendable, Codable, Hashable {
    package enum State: String, Sendable, Codable, CaseIterable { case building, ready, failed }

    /// SHA-256 (hex) of the normalised requirements and the interpreter's version.
    package var digest: String
    package var state: State
    package var requirements: String
    /// Last lines that the installer printed; the error when it failed.
    package var log: String
    package var createdAt: Date

    package init(digest: String, state: State, requirements: String, log: String, createdAt: Date) {
        self.digest = digest
        self.state = state
        self.requirements = requirements
        self.log = log
        self.createdAt = createdAt
    }

    private enum CodingKeys: String, CodingKey {
        case digest, state, requirements, log
        case createdAt = "created_at"
    }
}
