// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct ElementSearch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "search", abstract: "Searches PEs by name and documentation.")

    @Argument(help: "Words to look for.")
    var text: String

    @OptionGroup var list: ListOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        var listing = ElementList()
        listing.search = text
        listing.list = list
        listing.connection = connection
        listing.output = output
        try await listing.run()
    }
}
