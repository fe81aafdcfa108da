// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// How much of a list is shown.
struct ListOptions: ParsableArguments {
    @Option(help: ArgumentHelp("At most so many; 0 for all.", valueName: "number"))
    var limit = 50

    func validate() throws {
        guard limit >= 0 else { throw ValidationError("--limit must be 0 or more.") }
    }

    var maximum: Int? { limit == 0 ? nil : limit }

    func tellOfMore(_ more: Bool) {
        if more { StandardStreams.chatter("There are more; --limit 0 shows all.") }
    }
}
