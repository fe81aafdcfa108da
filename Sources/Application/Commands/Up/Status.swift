// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows whether Weft runs on this machine, and where.",
        discussion: "The exit code is 0 when server and database are ready, 1 when not.")

    @OptionGroup var options: DataOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let status = await Installation(folder: options.folder).status()
        try output.show(status, name: status.server ?? "-") { status in
            var fields = Fields()
            fields.add("data folder", status.dataFolder)
            fields.add(
                "server",
                status.server.map { "\($0) (process \(status.process ?? 0)), \(status.ready ? "ready" : "not ready")" } ?? "not running")
            fields.add("database", status.postgres ? "running" : "not running")
            fields.add("log", status.log)
            return fields.render()
        }
        if !(status.ready && status.postgres) { throw SilentExit(status: .error) }
    }
}
