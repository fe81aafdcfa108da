// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import WorkflowModel

/// Which nodes a window takes, and when.
struct WindowOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Names of nodes, between commas.", valueName: "nodes"))
    var nodes: NameList?

    @Flag(help: "All nodes of the cluster.")
    var all = false

    @Option(help: ArgumentHelp("When it begins, as now, +2h, 'in 90m' or 2026-12-01T08:00:00Z.", valueName: "time"), transform: Moment.init)
    var from: Moment

    @Option(
        name: .customLong("for"), help: ArgumentHelp("How long it lasts, as 90m, 4h or 2d.", valueName: "length"), transform: parseSeconds)
    var length: Int

    @Option(help: "Why, for those who ask.")
    var reason: String?

    func validate() throws {
        guard all == (nodes == nil) else { throw ValidationError("Name the nodes with --nodes a,b, or take --all.") }
    }

    func request(_ name: String, _ kind: ClusterWindow.Kind, users: [String]? = nil, now: Date) -> WindowRequest {
        let start = from.date(from: now)
        return WindowRequest(
            name: name, kind: kind, nodes: nodes?.names, start: start, end: start + TimeInterval(length), users: users, reason: reason)
    }
}

enum WindowRendering {
    static func table(_ windows: [ClusterWindow], now: Date) -> Table {
        var table = Table("NAME", "KIND", "NODES", "FROM", "TO", "STATE", "USERS", "OWNER", "REASON")
        for window in windows.sorted(by: { ($0.start, $0.name) < ($1.start, $1.name) }) {
            let state = now < window.start ? "to come" : now < window.end ? "now" : "over"
            let users = window.users.isEmpty ? window.kind == .reservation ? "all" : "-" : window.users.joined(separator: " ")
            table.append(
                Table.Cell(window.name), "\(window.kind.rawValue)",
                Table.Cell(window.nodes.isEmpty ? "all" : window.nodes.joined(separator: " ")), "\(Format.time(window.start))",
                "\(Format.time(window.end))", Table.Cell(state, colour: state == "now" ? .yellow : nil), Table.Cell(users),
                Table.Cell(window.owner), Table.Cell(window.reason ?? "-"))
        }
        return table
    }
}

extension APIClient {
    func windows(_ kind: ClusterWindow.Kind) async throws -> [ClusterWindow] {
        try await list("windows", limit: nil, of: ClusterWindow.self).items.filter { $0.kind == kind }
    }

    /// Removes windows of this kind only: the wrong word in the command shall not end somebody's reservation.
    func removeWindow(_ name: String, _ kind: ClusterWindow.Kind) async throws {
        let window: ClusterWindow = try await get("windows", name)
        guard window.kind == kind else {
            throw CommandFailure("'\(name)' is a \(window.kind.rawValue), not a \(kind.rawValue).", status: .notFound)
        }
        try await delete("windows", name)
        StandardStreams.chatter("\(kind.rawValue) \(name.printable) is removed")
    }
}
