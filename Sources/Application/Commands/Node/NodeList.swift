// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct NodeList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the nodes: their state as the cluster's engine tells it, and the orders that were given.")

    @OptionGroup var list: ListOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (found, more) = try await connection.client().list("nodes", query: [], limit: list.maximum, of: NodeStatus.self)
        try output.show(found, name: \.node.name, empty: "The cluster has no nodes.", table: Self.table)
        list.tellOfMore(more)
    }

    static func table(_ nodes: [NodeStatus]) -> Table {
        var table = Table("NODE", "STATE", "ORDER", ">RANKS", ">SLOTS", ">CORES", ">MEMORY", "ARCHITECTURE", "LABELS", "REASON")
        for status in nodes {
            let node = status.node
            let state = node.state.rawValue + (status.order != nil && status.isIdle ? " (idle)" : "")
            table.append(
                Table.Cell(node.name), Table.Cell(state, colour: node.state.colour), "\(status.order?.summary ?? "-")", "\(status.ranks)",
                "\(node.slots)", "\(node.cores)", "\(node.memory) MiB", "\(node.architecture ?? "-")",
                "\(node.labels.isEmpty ? "-" : node.labels.sorted().joined(separator: " "))", "\(node.reason ?? "-")")
        }
        return table
    }
}

extension NodeOrder {
    /// In a few words.
    var summary: String { kind.rawValue + (by.map { " by \(Format.time($0))" } ?? "") }
}

extension ClusterNode.State {
    fileprivate var colour: Terminal.Colour? {
        switch self {
        case .up: .green
        case .drained, .reserved: .yellow
        case .down: .red
        }
    }
}
