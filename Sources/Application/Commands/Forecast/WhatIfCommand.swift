// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Scheduling
import WorkflowModel

/// So many nodes like one, as `4xnode7`.
struct NodeAddition: ExpressibleByArgument, Sendable, Equatable {
    var count: Int
    var like: String

    init(count: Int, like: String) {
        self.count = count
        self.like = like
    }

    init?(argument: String) {
        guard let cross = argument.firstIndex(of: "x"), let count = Int(argument[..<cross]), count > 0 else { return nil }
        like = String(argument[argument.index(after: cross)...])
        self.count = count
        if like.isEmpty { return nil }
    }
}

struct WhatIfCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "whatif", abstract: "Tells what waits and the use of the cluster would be if something were otherwise.",
        discussion: """
            Nothing is changed. The same futures are gone through twice, as things are and with all that is given. Needs the scope \
            weft.admin.
            """)

    @Option(help: ArgumentHelp("More nodes, so many like one, as 4xnode7.", valueName: "NxNODE"))
    var add: NodeAddition?

    @Option(help: ArgumentHelp("Names of nodes that are drained, between commas.", valueName: "nodes"))
    var drain: NameList?

    @Option(
        help: ArgumentHelp("From when on they are there or gone (default: now), as +2h or 2026-12-01T08:00:00Z.", valueName: "time"),
        transform: Moment.init)
    var at: Moment?

    @Option(help: "Another policy, as for weft simulate.")
    var policy: NamedPolicy?

    @OptionGroup var future: FutureOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if add == nil, drain == nil, policy == nil { throw ValidationError("Say what is otherwise: --add, --drain or --policy.") }
        if at != nil, add == nil, drain == nil { throw ValidationError("--at goes with --add or --drain.") }
    }

    func request(now: Date) -> WhatIfRequest {
        WhatIfRequest(
            add: add?.count, like: add?.like, drain: drain?.names, at: at?.date(from: now), policy: policy?.rawValue,
            horizon: future.horizon, futures: future.futures)
    }

    func run() async throws {
        let answer: WhatIfAnswer = try await connection.client().patient.post("whatif", body: request(now: Date()))
        try output.show(answer, name: answer.changed.p95Wait.map(String.init) ?? "-") {
            ForecastRendering.describe($0.basis, [("AS IT IS", $0.base), ("CHANGED", $0.changed)])
        }
    }
}
