// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// What the planner chooses the number of ranks for.
struct GoalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The fewest ranks that end within this time in 19 of 20 runs, as 90, 45m or 12h.", valueName: "time"),
        transform: parseSeconds)
    var deadline: Int?

    @Option(help: ArgumentHelp("The fastest for so many core-hours in 19 of 20 runs.", valueName: "core-hours"))
    var budget: Double?

    @Option(help: ArgumentHelp("The planner chooses, and takes no more ranks.", valueName: "number"))
    var maxRanks: Int?

    @Flag(help: "Lay the run out as if no run had been before.")
    var noHistory = false

    func validate() throws {
        if let budget, !(budget > 0) { throw ValidationError("--budget must be more than 0.") }
        if let maxRanks, maxRanks < 1 { throw ValidationError("--max-ranks must be 1 or more.") }
        if deadline != nil, budget != nil { throw ValidationError("--deadline and --budget cannot both be kept: leave one out.") }
    }
}
