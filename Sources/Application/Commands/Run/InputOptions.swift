// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

/// What a run's sources are given.
struct InputOptions: ParsableArguments {
    @Option(name: [.customShort("d"), .customLong("data")], help: ArgumentHelp("Inputs in JSON, by PE name or id.", valueName: "json"))
    var data: String?

    @Option(name: [.customShort("f"), .customLong("file")], help: "File with the inputs in JSON; - is standard input.")
    var file: String?

    @Option(
        name: [.customShort("i"), .customLong("iterations")],
        help: ArgumentHelp("As many empty inputs for each source.", valueName: "number"))
    var iterations: Int?

    func validate() throws {
        guard [data != nil, file != nil, iterations != nil].filter(\.self).count <= 1 else {
            throw ValidationError("Give the inputs once: -d, -f or -i.")
        }
        if let iterations, iterations < 0 { throw ValidationError("-i must be 0 or more.") }
        if let data { _ = try Self.inputs(json: data, origin: "-d") }
    }

    /// Nil where nothing is said of them.
    func read() throws -> RunInputs? {
        if let data { return try Self.inputs(json: data, origin: "-d") }
        if let file { return try Self.inputs(json: try TextFile.read(file), origin: "'\(file)'") }
        return iterations.map { .iterations($0) }
    }

    private static func inputs(json: String, origin: String) throws -> RunInputs {
        do {
            return try WireJSON.decode(RunInputs.self, from: json.utf8)
        } catch {
            throw ValidationError(
                #"\#(origin) holds no inputs: write JSON as {"PE": [{"port": value}, …]}, {"PE": 10}, or a number of empty inputs."#)
        }
    }
}
