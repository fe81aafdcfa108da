// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Testing
import WorkflowModel

@testable import Commands

struct InstallationTests {
    private func stat(state: String, startTime: Int) -> String {
        "123 (a (odd) name) \(state) " + (1...18).map(String.init).joined(separator: " ") + " \(startTime) 0 0"
    }

    @Test func theStartTimeIsReadPastAnOddName() {
        #expect(ProcessIdentity.startTime(stat: stat(state: "S", startTime: 777)) == 777)
        #expect(ProcessIdentity.startTime(stat: stat(state: "Z", startTime: 777)) == nil)
        #expect(ProcessIdentity.startTime(stat: "") == nil)
    }

    @Test func aProcessIsKnownByIdAndStartTime() throws {
        let own = try #require(ProcessIdentity(pid: getpid()))
        #expect(own.isRunning)
        #expect(!ProcessIdentity(pid: own.pid, startTime: own.startTime + 1).isRunning, "another process with the same id")
    }

    @Test func anEndedProcessIsNotRunningBeforeItIsReaped() async throws {
        let child = Process()
        child.executableURL = URL(filePath: "/bin/sleep")
        child.arguments = ["60"]
        try child.run()
        let identity = try #require(ProcessIdentity(pid: child.processIdentifier))
        #expect(try await !identity.waitForEnd(seconds: 0))
        identity.send(SIGKILL)
        #expect(try await identity.waitForEnd(seconds: 10))
    }

    @Test func aServersRecordIsForgottenOnlyWhenItHasEnded() throws {
        let folder = DataFolder(path: FileManager.default.temporaryDirectory.path() + "/weft-\(UUID().uuidString)")
        try makeFolder(folder.path, mode: 0o700)
        defer { try? FileManager.default.removeItem(atPath: folder.path) }
        let own = try #require(ProcessIdentity(pid: getpid()))
        let record = { (process: ProcessIdentity) in
            String(decoding: try WireJSON.encode(ServerProcess(process: process, port: 1)), as: UTF8.self)
        }
        for text in [try record(own), "{"] {
            try PrivateFile.write(text, to: folder.serverProcess)
            ServerProcess.forgetEnded(in: folder)
            #expect(PrivateFile.read(folder.serverProcess) == text, "it may run")
        }
        try PrivateFile.write(try record(ProcessIdentity(pid: own.pid, startTime: own.startTime + 1)), to: folder.serverProcess)
        ServerProcess.forgetEnded(in: folder)
        #expect(access(folder.serverProcess, F_OK) != 0)
    }

    @Test func aPortThatIsTakenIsToldBeforeThereIsACluster() async throws {
        let folder = DataFolder(path: FileManager.default.temporaryDirectory.path() + "/weft-\(UUID().uuidString)")
        try makeFolder(folder.path, mode: 0o700)
        defer { try? FileManager.default.removeItem(atPath: folder.path) }
        let taken = try TakenPort()
        let failure = await #expect(throws: CommandFailure.self) {
            try await Installation(folder: folder).start(port: taken.number, slots: nil, postgresBin: nil)
        }
        #expect(failure?.description.contains("Port \(taken.number)") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
    }

    @Test func aSocketFolderAlwaysFits() {
        let short = PrivatePostgres.socketFolder(preferred: "/data/postgres/socket", userID: 7, runtimeFolder: nil)
        #expect(short == "/data/postgres/socket")
        let long = "/" + String(repeating: "x", count: 100)
        let fallback = PrivatePostgres.socketFolder(preferred: long, userID: 7, runtimeFolder: "/run/user/7")
        #expect(fallback.hasPrefix("/run/user/7/weft-7-"))
        #expect(fallback == PrivatePostgres.socketFolder(preferred: long, userID: 7, runtimeFolder: "/run/user/7"), "found again")
        #expect(PrivatePostgres.socketFolder(preferred: long, userID: 7, runtimeFolder: long).hasPrefix("/tmp/weft-7-"))
        #expect(fallback != PrivatePostgres.socketFolder(preferred: long + "y", userID: 7, runtimeFolder: "/run/user/7"))
    }

    @Test func theDefaultFolderIsTheUsers() {
        #expect(DataFolder.defaultPath(variables: ["HOME": "/home/a"], isRoot: false) == "/home/a/.weft")
        #expect(DataFolder.defaultPath(variables: ["HOME": "/root"], isRoot: true) == "/var/lib/weft")
        #expect(DataFolder.defaultPath(variables: ["HOME": "/home/a", "WEFT_DATA": "/d"], isRoot: true) == "/d")
    }

    @Test func pathsAreMadeAbsolute() throws {
        let options = try #require(try Weft.parseAsRoot(["down", "--data", "/a/./b/../c"]) as? Down)
        #expect(options.options.folder.path == "/a/c")
    }

    @Test func theServersEnvironmentCannotOverrideItsFile() {
        let variables = ["WEFT_LISTEN_PORT": "1", "WEFT_TOKEN": "secret", "WEFT_LOG_LEVEL": "debug", "PATH": "/bin"]
        #expect(ServerConfiguration.environment(variables) == ["WEFT_LOG_LEVEL": "debug", "PATH": "/bin"])
    }

    @Test func aTakenPortIsNotFree() throws {
        #expect(LocalPort.isFree(try LocalPort.anyFree()))
        let taken = try TakenPort()
        #expect(!LocalPort.isFree(taken.number))
    }
}

/// A port of the loopback interface that somebody listens on.
private final class TakenPort {
    let number: Int
    private let descriptor: Int32

    init() throws {
        number = try LocalPort.anyFree()
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(number).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        try #require(bound == 0 && listen(descriptor, 1) == 0)
    }

    deinit { close(descriptor) }
}
