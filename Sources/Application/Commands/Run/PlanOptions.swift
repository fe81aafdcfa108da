// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

/// What a plan is made from beside the graph.
struct PlanOptions: ParsableArguments {
    @Option(name: [.customShort("n"), .customLong("ranks")], help: ArgumentHelp("MPI ranks (default: 1).", valueName: "number"))
    var ranks: Int?

    @Option(help: "fused (PEs share a worker where the graph allows it) or spread (one stage for each PE).")
    var layout: Layout?

    @Option(help: ArgumentHelp("What the PEs cost, as `weft try --profile FILE` wrote it; ranks go where the work is.", valueName: "file"))
    var costs: String?

    func validate() throws {
        if let ranks, ranks < 1 { throw ValidationError("-n must be 1 or more.") }
    }

    func readCosts() throws -> Costs? {
        guard let costs else { return nil }
        do {
            return try WireJSON.decode(Costs.self, from: try TextFile.read(costs).utf8)
        } catch let error as DecodingError {
            throw CommandFailure(
                "'\(costs)' holds no costs (\(Self.place(of: error))). Write it with: weft try GRAPH.py --profile \(costs)")
        }
    }

    private static func place(of error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, let context): "\((context.codingPath + [key]).map(\.stringValue).joined(separator: ".")) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            context.codingPath.isEmpty
                ? "it is not JSON of that form" : "\(context.codingPath.map(\.stringValue).joined(separator: ".")) is of another kind"
        @unknown default: "it is of another form"
        }
    }
}

extension Layout: ExpressibleByArgument {}
