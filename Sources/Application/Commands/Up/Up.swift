// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Glibc
import HTTPClient
import Identity
import WorkflowModel

struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Starts Weft on this machine: a private PostgreSQL, the server, and a token for you.",
        discussion: "What runs already is left as it is. `weft down` stops it; the data stay.")

    @OptionGroup var options: DataOptions

    @Option(help: ArgumentHelp("Port on 127.0.0.1 (default: 8337, or a free one when it is taken).", valueName: "number"))
    var port: Int?

    @Option(help: ArgumentHelp("Ranks that may run at a time (default: four a core, at least 16).", valueName: "number"))
    var slots: Int?

    @Option(help: ArgumentHelp("Folder with PostgreSQL's programs.", valueName: "folder"))
    var postgresBin: String?

    func validate() throws {
        if let port, !(1...65535).contains(port) { throw ValidationError("--port must be from 1 to 65535.") }
        if let slots, slots < 1 { throw ValidationError("--slots must be 1 or more.") }
    }

    func run() async throws {
        let folder = options.folder
        if geteuid() == 0 {
            StandardStreams.chatter("warning: as root, all graphs run as root too. Use an account of its own where others submit.")
        }
        try makeFolder(folder.path, mode: geteuid() == 0 ? 0o711 : 0o700)
        let lock = try FolderLock(folder)
        try await Installation(folder: folder).start(port: port, slots: slots, postgresBin: postgresBin)
        _ = consume lock
    }
}
