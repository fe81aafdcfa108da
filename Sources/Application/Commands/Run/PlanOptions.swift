// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

/// What a plan is made from beside the graph.
struct PlanOptions: ParsableArguments {
    @Option(
        name: [.customShort("n"), .customLong("ranks")],
        help: ArgumentHelp("MPI ranks (default: 1); auto: as many as pay, by what earlier runs took.", valueName: "number"))
    var ranks: RankDemand?

    @Option(help: "fused (PEs share a worker where the graph allows it) or spread (one stage for each PE).")
    var layout: Layout?

    @Option(help: ArgumentHelp("What the PEs cost, as `weft try --profile FILE` wrote it; ranks go where the work is.", valueName: "file"))
    var costs: String?

    func validate() throws {
        if case .exactly(let count) = ranks, count < 1 { throw ValidationError("-n must be 1 or more.") }
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

extension RankDemand: ExpressibleByArgument {
    package init?(argument: String) {
        if argument == "auto" {
            self = .auto
        } else if let count = Int(argument) {
            self = .exactly(count)
        } else {
            return nil
        }
    }
}
