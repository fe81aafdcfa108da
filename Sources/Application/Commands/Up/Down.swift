// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc

struct Down: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down",
        abstract: "Stops what `weft up` started. Data stay, and so do the processes of runs; the next up takes them up again.")

    @OptionGroup var options: DataOptions

    func run() async throws {
        let folder = options.folder
        guard access(folder.path, F_OK) == 0 else { return StandardStreams.chatter("Nothing runs: there is no \(folder.path).") }
        let lock = try FolderLock(folder)
        let ran = try await Installation(folder: folder).stop()
        StandardStreams.chatter(ran ? "Weft is down." : "Nothing ran in \(folder.path).")
        _ = consume lock
    }
}
