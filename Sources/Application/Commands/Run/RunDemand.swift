// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

/// What is to be run and on how much: shared by `run submit` and `plan`.
struct RunDemand: ParsableArguments {
    @Argument(help: "namespace/name or namespace/name@version.", transform: parseReference)
    var graph: Reference

    @Option(name: [.customShort("d"), .customLong("data")], help: ArgumentHelp("Inputs in JSON, by PE name or id.", valueName: "json"))
    var data: String?

    @Option(name: [.customShort("f"), .customLong("file")], help: "File with the inputs in JSON; - is standard input.")
    var file: String?

    @Option(
        name: [.customShort("i"), .customLong("iterations")],
        help: ArgumentHelp("As many empty inputs for each source.", valueName: "number"))
    var iterations: Int?

    @Option(name: [.customShort("n"), .customLong("ranks")], help: ArgumentHelp("MPI ranks (default: 1).", valueName: "number"))
    var ranks: Int?

    @Option(help: "fused (PEs share a worker where the graph allows it) or spread (one stage for each PE).")
    var layout: Layout?

    @Option(help: ArgumentHelp("Memory of one rank.", valueName: "MiB"))
    var memory: Int?

    @Option(help: "A name for people; need not be unique.")
    var name: String?

    func validate() throws {
        guard [data != nil, file != nil, iterations != nil].filter(\.self).count <= 1 else {
            throw ValidationError("Give the inputs once: -d, -f or -i.")
        }
        if let ranks, ranks < 1 { throw ValidationError("-n must be 1 or more.") }
        if let memory, memory < 1 { throw ValidationError("--memory must be 1 or more.") }
        if let iterations, iterations < 0 { throw ValidationError("-i must be 0 or more.") }
        if let data { _ = try Self.inputs(json: data, origin: "-d") }
    }

    func request(dryRun: Bool = false) throws -> RunRequest {
        var inputs = iterations.map { RunInputs.iterations($0) }
        if let data { inputs = try Self.inputs(json: data, origin: "-d") }
        if let file { inputs = try Self.inputs(json: try TextFile.read(file), origin: "'\(file)'") }
        return RunRequest(
            graph: graph, inputs: inputs, ranks: ranks, layout: layout, memoryPerRank: memory, name: name, dryRun: dryRun ? true : nil)
    }

    static func inputs(json: String, origin: String) throws -> RunInputs {
        do {
            return try WireJSON.decode(RunInputs.self, from: json.utf8)
        } catch {
            throw ValidationError(
                #"\#(origin) holds no inputs: write JSON as {"PE": [{"port": value}, …]}, {"PE": 10}, or a number of empty inputs."#)
        }
    }
}

extension Layout: ExpressibleByArgument {}
