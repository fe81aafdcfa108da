// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct ProvenanceTrace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Shows what a datum was made from, or what was made from it.")

    @Argument(help: "Id of the datum, as run_….1.7.42; in place of the run's id also the beginning of one, or @latest.")
    var datum: String

    @Flag(exclusivity: .exclusive, help: "Towards the inputs (the default) or towards the results.")
    var direction = Direction.back

    @Option(help: ArgumentHelp("At most so many steps away.", valueName: "number"))
    var depth: Int?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    enum Direction: String, EnumerableFlag { case back, forward }

    func validate() throws {
        if let depth, depth < 1 { throw ValidationError("--depth must be 1 or more.") }
    }

    func run() async throws {
        let client = try connection.client()
        let reference = try await client.datum(datum)
        var query: APIClient.Query = [("direction", direction.rawValue)]
        if let depth { query.append(("depth", "\(depth)")) }
        let trace: Trace = try await client.get("data", reference.description, "trace", query: query)
        switch output.format {
        case .json: try OutputOptions.showJSON(trace)
        case .name: trace.steps.forEach { StandardStreams.output($0.datum.id.description) }
        case .table:
            StandardStreams.chatter(trace.direction == .back ? "\(reference) was made from" : "from \(reference) was made")
            StandardStreams.output(TraceRendering.table(trace).render(.output))
        }
        if trace.truncated { StandardStreams.chatter("There is more than was asked for; --depth N goes further.") }
    }
}

extension APIClient {
    fileprivate func datum(_ text: String) async throws -> DatumReference {
        if let reference = DatumReference(text) { return reference }
        let parts = text.split(separator: ".", maxSplits: 1).map(String.init)
        if parts.count == 2, let reference = DatumReference("\(try await runID(parts[0])).\(parts[1])") { return reference }
        throw CommandFailure(
            "'\(text)' is not the id of a datum: ids look like run_….1.7.42 (run, attempt, instance, number).", status: .usage)
    }
}
