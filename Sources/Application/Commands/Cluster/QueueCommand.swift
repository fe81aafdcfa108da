// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct QueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Shows the runs that wait, in their order: why, and when they should start.",
        discussion: """
            Of runs of others, administrators alone see name and owner. EXPECTED is as likely too early as too late; LATEST holds 19 times of \
            20; PROMISED is what the scheduler keeps to.
            """)

    @OptionGroup var list: ListOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (found, more) = try await connection.client().list("queue", limit: list.maximum, of: QueueEntry.self)
        try output.show(found, name: \.id.description, empty: "No run waits.", table: Self.table)
        list.tellOfMore(more)
    }

    static func table(_ entries: [QueueEntry]) -> Table {
        var table = Table(
            ">POSITION", "RUN", "NAME", "OWNER", ">RANKS", ">MEMORY", ">LIMIT", "PRIORITY", "SUBMITTED", "EXPECTED", "LATEST", "PROMISED",
            "WHY")
        for entry in entries {
            table.append(
                "\(entry.position.map(String.init) ?? "-")", Table.Cell(entry.id.description), Table.Cell(entry.name ?? "-"),
                Table.Cell(entry.owner ?? "-"), "\(entry.ranks)", "\(entry.memoryPerRank) MiB",
                "\(entry.timeLimit.map { Format.duration(Double($0)) } ?? "-")",
                "\(entry.priority.map { $0 == .normal ? "-" : $0.rawValue } ?? "-")",
                "\(Format.time(entry.submittedAt))",
                "\(Format.time(entry.expectedStart))", "\(Format.time(entry.latestStart))", "\(Format.time(entry.promisedStart))",
                Table.Cell(entry.why ?? "-"))
        }
        return table
    }
}
