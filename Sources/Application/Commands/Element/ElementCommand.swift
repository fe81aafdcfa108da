// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct ElementCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pe", abstract: "Process elements (PEs) in the registry.",
        subcommands: [ElementList.self, ElementShow.self, ElementSearch.self])
}
