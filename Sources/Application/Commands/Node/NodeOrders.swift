// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

/// The nodes that an order is for.
struct NodeArguments: ParsableArguments {
    @Argument(help: ArgumentHelp("Names of nodes, as weft node list shows them.", valueName: "node"))
    var nodes: [String]
}

struct NodeCordon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cordon", abstract: "Starts nothing new on nodes; what runs there goes on.",
        discussion: "Until weft node resume. Takes the place of a drain. Needs the scope weft.admin.")

    @OptionGroup var arguments: NodeArguments

    @Option(help: "Why, for those who ask.")
    var reason: String?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let request = NodeOrderRequest(kind: .cordon, reason: reason)
        let given = try await connection.client().give(request, to: arguments.nodes)
        try output.show(given, name: \.node, empty: "", table: NodeRendering.table)
    }
}

struct NodeDrain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Empties nodes: what runs there goes on, and nothing starts that would stand in the way.",
        discussion: """
            With --by, runs that must be over by then still start there; without it, none does, and the node is free as soon as what runs \
            has ended. Until weft node resume. Needs the scope weft.admin.
            """)

    @OptionGroup var arguments: NodeArguments

    @Option(
        help: ArgumentHelp("When the nodes shall be empty, as +2h, 'in 90m' or 2026-12-01T08:00:00Z.", valueName: "time"),
        transform: Moment.init)
    var by: Moment?

    @Flag(help: "Start nothing there from now on, and be done when all has ended (this is what happens without --by).")
    var whenIdle = false

    @Flag(help: "Wait until no rank is left on them.")
    var wait = false

    @Option(help: ArgumentHelp("Wait no longer; the order holds on.", valueName: "seconds"))
    var timeout: Double?

    @Option(help: "Why, for those who ask.")
    var reason: String?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if by != nil, whenIdle { throw ValidationError("--by and --when-idle are two ways to drain: give one.") }
        if by != nil, wait { throw ValidationError("--wait goes with --when-idle: until the time of --by, runs still start there.") }
        if timeout != nil, !wait { throw ValidationError("--timeout goes with --wait.") }
    }

    func run() async throws {
        let client = try connection.client()
        let request = NodeOrderRequest(kind: .drain, by: by?.date(from: Date()), reason: reason)
        let given = try await client.give(request, to: arguments.nodes)
        if wait {
            let names = Set(arguments.nodes)
            try await withTimeout(
                timeout, "There are still ranks on the nodes after \(Format.duration(timeout ?? 0)). The drain holds on: weft node list"
            ) { try await client.waitUntilIdle(names) }
        }
        try output.show(given, name: \.node, empty: "", table: NodeRendering.table)
    }
}

struct NodeResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Takes back what was ordered of nodes.", discussion: "Needs the scope weft.admin.")

    @OptionGroup var arguments: NodeArguments
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = try connection.client()
        for node in arguments.nodes {
            try await client.delete("nodes", node, "order")
            StandardStreams.chatter("\(node.printable) takes runs again")
        }
    }
}

enum NodeRendering {
    static func table(_ orders: [NodeOrder]) -> Table {
        var table = Table("NODE", "ORDER", "BY", "OWNER", "REASON")
        for order in orders {
            table.append(
                Table.Cell(order.node), "\(order.kind.rawValue)", "\(Format.time(order.by))", Table.Cell(order.owner),
                Table.Cell(order.reason ?? "-"))
        }
        return table
    }
}

extension APIClient {
    private static let idleInterval = Duration.seconds(1)

    /// One after the other; at the first that is refused it stops, and says which have the order.
    fileprivate func give(_ request: NodeOrderRequest, to nodes: [String]) async throws -> [NodeOrder] {
        var given: [NodeOrder] = []
        for node in nodes {
            do {
                given.append(try await put("nodes", node, "order", body: request))
            } catch {
                if !given.isEmpty {
                    StandardStreams.chatter("Ordered before that: \(given.map(\.node).joined(separator: ", ").printable)")
                }
                throw error
            }
        }
        return given
    }

    fileprivate func waitUntilIdle(_ names: Set<String>) async throws {
        let progress = Progress()
        var lastLine = ""
        while true {
            let (nodes, _) = try await list("nodes", limit: nil, of: NodeStatus.self)
            let busy = nodes.filter { names.contains($0.node.name) && !$0.isIdle }
            let line =
                busy.isEmpty
                ? "idle: \(names.sorted().joined(separator: ", "))"
                : "waiting for " + busy.map { "\($0.node.name) (\(Format.count($0.ranks, "rank")))" }.joined(separator: ", ")
            if line != lastLine { progress.step(line) }
            lastLine = line
            if busy.isEmpty { return }
            try await Task.sleep(for: Self.idleInterval)
        }
    }
}
