// SPDX-License-Identifier: Apache-2.0

/// How the data that arrive on an input port are divided among the instances of the receiving PE.
package enum Grouping: Sendable, Hashable {
    /// Each datum to one instance, in turn.
    case roundRobin
    /// Data with equal keys to the same instance. The key is the tuple of these parts of the datum.
    case byKey([KeyPart])
    /// Each datum to every instance.
    case all
    /// Every datum to the first instance.
    case global
}

/// A part of a datum that belongs to its key: an index of a sequence, or a key of a mapping.
package enum KeyPart: Sendable, Hashable {
    case index(Int)
    case name(String)
}

extension KeyPart: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let index = try? container.decode(Int.self) { self = .index(index) } else { self = .name(try container.decode(String.self)) }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .index(let index): try container.encode(index)
        case .name(let name): try container.encode(name)
        }
    }
}

/// JSON form: `"round_robin"`, `"all"`, `"global"` or `{"by_key": [0, "station"]}`.
extension Grouping: Codable {
    private enum CodingKeys: String, CodingKey { case byKey = "by_key" }

    package init(from decoder: any Decoder) throws {
        if let container = try? decoder.singleValueContainer(), let text = try? container.decode(String.self) {
            switch text {
            case "round_robin": self = .roundRobin
            case "all": self = .all
            case "global": self = .global
            default:
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "'\(text)' is no grouping: use round_robin, all, global or {\"by_key\": […]}")
            }
        } else {
            self = .byKey(try decoder.container(keyedBy: CodingKeys.self).decode([KeyPart].self, forKey: .byKey))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        func encode(_ text: String) throws {
            var container = encoder.singleValueContainer()
            try container.encode(text)
        }
        switch self {
        case .roundRobin: try encode("round_robin")
        case .all: try encode("all")
        case .global: try encode("global")
        case .byKey(let parts):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(parts, forKey: .byKey)
        }
    }
}

extension Grouping: CustomStringConvertible {
    package var description: String {
        switch self {
        case .roundRobin: "round robin"
        case .all: "all"
        case .global: "global"
        case .byKey(let parts):
            "by key ["
                + parts.map { if case .index(let index) = $0 { "\(index)" } else if case .name(let name) = $0 { name } else { "" } }
                .joined(separator: ", ") + "]"
        }
    }
}

package struct InputPort: Sendable, Hashable, Codable {
    package var name: String
    package var grouping: Grouping

    package init(name: String, grouping: Grouping = .roundRobin) {
        self.name = name
        self.grouping = grouping
    }
}

/// One process element (PE) of a graph.
package struct ProcessElement: Sendable, Hashable, Codable {
    /// Unique in the graph: the name and the position in the graph's order of insertion, as `Split1`.
    package var id: String
    /// Not necessarily unique.
    package var name: String
    package var className: String
    package var inputs: [InputPort]
    package var outputs: [String]
    /// Instances that the author asked for; 1 when he did not say.
    package var processes: Int
    /// The author insists on one instance.
    package var single: Bool
    package var documentation: String?
    /// Constructor-time attributes worth showing, as far as JSON can hold them.
    package var parameters: [String: JSONValue]
    /// SHA-256 (hex) of the PE's source text and ports.
    package var digest: String
    /// Source text of the class or function, when it can be had.
    package var source: String?
    /// Whether the author says that calls change the instance in ways that matter to later ones; `nil`: he does not say.
    package var stateful: Bool?
    package var onError: FailurePolicy
    /// Seconds that one datum may take.
    package var timeLimit: Double?
    /// Can be gone on from what it gave at a checkpoint (`snapshot`, `restore`), and wants one about every so many seconds.
    package var snapshotEvery: Double?
    /// Runs inside the rank instead of in Python.
    package var native: NativeOperation?
    /// A program with ranks of its own, the only element of its graph.
    package var application: Application?

    package init(
        id: String, name: String, className: String? = nil, inputs: [InputPort] = [], outputs: [String] = [], processes: Int = 1,
        single: Bool = false, documentation: String? = nil, parameters: [String: JSONValue] = [:], digest: String = "",
        source: String? = nil, stateful: Bool? = nil, onError: FailurePolicy = .fail, timeLimit: Double? = nil,
        snapshotEvery: Double? = nil, native: NativeOperation? = nil, application: Application? = nil
    ) {
        self.id = id
        self.name = name
        self.className = className ?? name
        self.inputs = inputs
        self.outputs = outputs
        self.processes = processes
        self.single = single
        self.documentation = documentation
        self.parameters = parameters
        self.digest = digest
        self.source = source
        self.stateful = stateful
        self.onError = onError
        self.timeLimit = timeLimit
        self.snapshotEvery = snapshotEvery
        self.native = native
        self.application = application
    }

    private enum CodingKeys: String, CodingKey {
        case id, name, inputs, outputs, processes, single, documentation, parameters, digest, source, stateful, native, application
        case className = "class_name"
        case onError = "on_error"
        case timeLimit = "time_limit"
        case snapshotEvery = "snapshot_every"
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        name = try container.decode(String.self, forKey: .name)
        className = try container.decode(String.self, forKey: .className)
        inputs = try container.decode([InputPort].self, forKey: .inputs)
        outputs = try container.decode([String].self, forKey: .outputs)
        processes = try container.decode(Int.self, forKey: .processes)
        single = try container.decode(Bool.self, forKey: .single)
        documentation = try container.decodeIfPresent(String.self, forKey: .documentation)
        parameters = try container.decode([String: JSONValue].self, forKey: .parameters)
        digest = try container.decode(String.self, forKey: .digest)
        source = try container.decodeIfPresent(String.self, forKey: .source)
        stateful = try container.decodeIfPresent(Bool.self, forKey: .stateful)
        onError = try container.decodeIfPresent(FailurePolicy.self, forKey: .onError) ?? .fail
        timeLimit = try container.decodeIfPresent(Double.self, forKey: .timeLimit)
        snapshotEvery = try container.decodeIfPresent(Double.self, forKey: .snapshotEvery)
        native = try container.decodeIfPresent(NativeOperation.self, forKey: .native)
        application = try container.decodeIfPresent(Application.self, forKey: .application)
    }
}

/// Joins an output port to an input port.
package struct Edge: Sendable, Hashable, Codable {
    /// Id of the PE that writes.
    package var from: String
    package var output: String
    /// Id of the PE that reads.
    package var to: String
    package var input: String

    package init(from: String, output: String, to: String, input: String) {
        self.from = from
        self.output = output
        self.to = to
        self.input = input
    }
}

/// PEs and the edges that join them, composites flattened. Elements and edges keep the author's order; their positions are
/// used as indexes in plans and on the wire.
package struct WorkflowGraph: Sendable, Hashable, Codable {
    package var elements: [ProcessElement]
    package var edges: [Edge]

    package init(elements: [ProcessElement], edges: [Edge]) {
        self.elements = elements
        self.edges = edges
    }

    package func index(of id: String) -> Int? { elements.firstIndex { $0.id == id } }

    /// Indexes of the elements without an incoming edge: where data enter.
    package var sources: [Int] {
        let fed = Set(edges.map(\.to))
        return elements.indices.filter { !fed.contains(elements[$0].id) }
    }

    /// Output ports that no edge reads; what is written there is a result of the run.
    package func unconnectedOutputs(of element: ProcessElement) -> [String] {
        element.outputs.filter { port in !edges.contains { $0.from == element.id && $0.output == port } }
    }
}
