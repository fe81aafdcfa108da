// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

/// What is to be run and on how much: shared by `run submit` and `plan`.
struct RunDemand: ParsableArguments {
    @Argument(help: "namespace/name or namespace/name@version.", transform: parseReference)
    var graph: Reference?

    @OptionGroup var application: ApplicationOptions
    @OptionGroup var inputs: InputOptions
    @OptionGroup var placing: PlanOptions
    @OptionGroup var goal: GoalOptions
    @OptionGroup var needs: NeedsOptions

    @Option(help: ArgumentHelp("Memory of one rank.", valueName: "MiB"))
    var memory: Int?

    @Option(help: "A name for people; need not be unique.")
    var name: String?

    func validate() throws {
        guard (graph == nil) != (application.program == nil) else {
            throw ValidationError("Say what is to be run: a graph as namespace/name, or a program with --mpi.")
        }
        if case .exactly = placing.ranks, goal.deadline != nil || goal.budget != nil || goal.maxRanks != nil {
            throw ValidationError("-n says how many ranks, so nothing is left to choose: write -n auto, or leave it out.")
        }
        if let memory, memory < 1 { throw ValidationError("--memory must be 1 or more.") }
    }

    /// Registers the program first, where one is given.
    func request(_ client: APIClient, dryRun: Bool = false) async throws -> RunRequest {
        var named = graph
        if let program = application.program { named = try await application.register(program, client) }
        guard let named else { throw ValidationError("There is nothing to run.") }
        return try request(for: named, dryRun: dryRun)
    }

    func request(for graph: Reference, dryRun: Bool = false) throws -> RunRequest {
        RunRequest(
            graph: graph, inputs: try inputs.read(), arguments: application.arguments.isEmpty ? nil : application.arguments,
            ranks: placing.ranks, deadline: goal.deadline.map(Double.init), budget: goal.budget, maximumRanks: goal.maxRanks,
            usesHistory: goal.noHistory ? false : nil, layout: placing.layout, costs: try placing.readCosts(),
            memoryPerRank: memory, needs: needs.needs, retry: needs.retry, name: name, dryRun: dryRun ? true : nil)
    }
}
