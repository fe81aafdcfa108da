// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct AdviseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "advise", abstract: "Tells how many nodes to add, or which may be drained, so that waits stay under a target.",
        discussion: """
            Nothing is done. With --hook the advice alone is printed as JSON, for a program that adds and removes nodes. Needs the scope \
            weft.admin.
            """)

    @Option(
        name: .customLong("target-p95-wait"),
        help: ArgumentHelp("What nineteen of twenty waits shall not exceed, as 30m.", valueName: "length"), transform: parseSeconds)
    var target: Int

    @Option(help: ArgumentHelp("A node of the class that is added or drained.", valueName: "node"))
    var like: String?

    @Option(help: ArgumentHelp("Add no more than so many (default: 64).", valueName: "number"))
    var mostNodes: Int?

    @Flag(help: "Print the advice alone, as JSON for a program.")
    var hook = false

    @OptionGroup var future: FutureOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if hook, output.format == .name { throw ValidationError("--hook prints JSON: leave -q and -o name out.") }
    }

    var request: AdviceRequest {
        AdviceRequest(targetP95Wait: target, like: like, mostNodes: mostNodes, horizon: future.horizon, futures: future.futures)
    }

    func run() async throws {
        let answer: AdviceAnswer = try await connection.client().patient.post("advice", body: request)
        if hook { return try OutputOptions.showJSON(answer.advice) }
        try output.show(answer, name: "\(answer.advice.action.rawValue) \(answer.advice.count)", text: ForecastRendering.describe)
    }
}
