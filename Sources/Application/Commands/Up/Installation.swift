// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import HTTPClient
import Identity
import WorkflowModel

/// Everything that `weft up` starts in one data folder, and in which order.
struct Installation: Sendable {
    let folder: DataFolder

    private static let readySeconds = 60.0

    func start(port: Int?, slots: Int?, postgresBin: String?) async throws {
        let earlier = PrivateFile.read(folder.settings).flatMap { try? WireJSON.decode(UpSettings.self, from: $0.utf8) }
        let progress = Progress()
        let program = try ServerProcess.findProgram()
        let postgres = try PrivatePostgres(in: folder, programs: postgresBin ?? earlier?.postgresBin)
        if let server = ServerProcess.running(in: folder) {
            _ = try await postgres.start { progress.step($0) }
            try await server.waitUntilReady(in: folder, seconds: Self.readySeconds)
            try await writeContexts(server)
            progress.step("Weft runs already at \(server.address) (process \(server.process.pid))")
            if let port, port != server.port { progress.step("to move it to port \(port): weft down, then weft up") }
            if let slots, slots != earlier?.slots { progress.step("to give it \(slots) slots: weft down, then weft up") }
            return
        }
        // A port that is taken is told before there is a cluster.
        let settings = UpSettings(
            port: try choosePort(asked: port, earlier: earlier?.port), slots: slots ?? earlier?.slots,
            postgresBin: postgresBin ?? earlier?.postgresBin)
        let startedPostgres = try await postgres.start { progress.step($0) }
        do {
            let server = try await startServer(program, settings, postgres, progress)
            progress.step("Weft is up at \(server.address)")
        } catch {
            if startedPostgres { try? await postgres.stop() }
            throw error
        }
    }

    private func startServer(
        _ program: String, _ settings: UpSettings, _ postgres: PrivatePostgres, _ progress: Progress
    ) async throws -> ServerProcess {
        let issuer = try LocalIssuer.create(in: folder.issuer, issuer: LocalToken.issuer, audience: LocalToken.audience)
        try makeFolder(folder.server, mode: 0o700)
        let configuration = ServerConfiguration(
            port: settings.port, database: postgres.connectionString, dataFolder: folder.server, jwks: issuer.jwksPath,
            slots: settings.slots)
        try PrivateFile.write(try configuration.yaml(), to: folder.configuration)
        progress.step("starting weftd")
        let logStart = LogTail.size(of: folder.serverLog)
        let server = try ServerProcess.start(program: program, in: folder, port: settings.port)
        do {
            try await server.waitUntilReady(in: folder, seconds: Self.readySeconds, logStart: logStart)
            try await writeContexts(server)
            try PrivateFile.write(String(decoding: WireJSON.encode(settings), as: UTF8.self), to: folder.settings)
        } catch {
            try? await server.stop(in: folder)
            throw error
        }
        return server
    }

    /// A port that the user named must be free; one that was only remembered or is the standard gives way to another.
    private func choosePort(asked: Int?, earlier: Int?) throws -> Int {
        if let asked {
            guard LocalPort.isFree(asked) else {
                throw CommandFailure("Port \(asked) of 127.0.0.1 is taken. Name another with --port, or leave it out for a free one.")
            }
            return asked
        }
        if let port = [earlier, LocalPort.standard].compactMap({ $0 }).first(where: LocalPort.isFree) { return port }
        return try LocalPort.anyFree()
    }

    private func writeContexts(_ server: ServerProcess) async throws {
        let context = Context(server: server.address, token: try await LocalToken.issue(in: folder), dataFolder: folder.path)
        try ContextFile.inData(folder.path).write(context)
        try ContextFile.ofUser(UserFolders()).write(context)
    }

    /// - Returns: whether anything ran.
    func stop() async throws -> Bool {
        let progress = Progress()
        var ran = false
        if let server = ServerProcess.running(in: folder) {
            progress.step("stopping weftd")
            try await server.stop(in: folder)
            ran = true
        }
        ServerProcess.forgetEnded(in: folder)
        if access(folder.postgres, F_OK) == 0 {
            let postgres = try PrivatePostgres(in: folder, programs: rememberedPrograms)
            if postgres.postmasterRuns {
                progress.step("stopping PostgreSQL")
                try await postgres.stop()
                ran = true
            }
        }
        return ran
    }

    private var rememberedPrograms: String? {
        PrivateFile.read(folder.settings).flatMap { try? WireJSON.decode(UpSettings.self, from: $0.utf8) }?.postgresBin
    }

    func status() async -> InstallationStatus {
        let server = ServerProcess.running(in: folder)
        let ready = await server?.isReady(HTTPClient()) ?? false
        let postgres = try? PrivatePostgres(in: folder, programs: rememberedPrograms)
        let accepts = (try? await postgres?.isRunning()) ?? false
        return InstallationStatus(
            dataFolder: folder.path, server: server?.address, process: server?.process.pid, ready: ready, postgres: accepts,
            log: folder.serverLog)
    }
}

/// What `weft status` shows.
struct InstallationStatus: Codable {
    var dataFolder: String
    var server: String?
    var process: Int32?
    var ready: Bool
    var postgres: Bool
    var log: String

    private enum CodingKeys: String, CodingKey {
        case server, process, ready, postgres, log
        case dataFolder = "data_folder"
    }
}
