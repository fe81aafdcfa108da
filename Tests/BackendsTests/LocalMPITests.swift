// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WorkflowModel

@testable import Backends

@Suite struct LocalMPITests {
    @Test func quotesForTheShell() {
        #expect(LaunchScript.quoted("/a/b-c_1.d") == "/a/b-c_1.d")
        #expect(LaunchScript.quoted("it's here") == "'it'\\''s here'")
        #expect(LaunchScript.quoted("") == "''")
    }

    @Test func readsAStatLineWithAnyName() throws {
        let line = "4321 (a) b (c)) S 1 4321 4321 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 987654 1000 10 18446744073709551615"
        let identity = try #require(ProcessTable.Identity(stat: line))
        #expect(identity.id == 4321)
        #expect(identity.startTime == 987654)
        #expect(identity.state == "S")
        #expect(ProcessTable.Identity(stat: "") == nil)
        #expect(ProcessTable.Identity(stat: "12 (x") == nil)
    }

    /// A stand-in for `mpirun`, so that the launcher's own behaviour can be seen without MPI.
    func withLauncher(_ script: String, _ body: (LocalMPI, Launch) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "weft-launch-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder.appending(path: "work"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = folder.appending(path: "mpirun")
        try Data("#!/bin/sh\n\(script)\n".utf8).write(to: program)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program.path())
        let random = (0..<10).map { _ in UInt8.random(in: 0...255) }
        let launch = Launch(
            run: RunID(milliseconds: 1, random: random), attempt: 1, folder: RunFolder(path: folder.path()),
            resources: ResourceRequest(ranks: 2, memoryPerRank: 1))
        try await body(LocalMPI(mpirun: program.path(), rankProgram: "weft-rank"), launch)
    }

    func wait(for condition: () throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try !condition() {
            try #require(ContinuousClock.now < deadline, "waited too long")
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    @Test func reportsTheExitStatus() async throws {
        try await withLauncher("exit 7") { backend, launch in
            #expect(try backend.observe(launch) == .absent)
            try backend.submit(launch)
            try await wait { try backend.status(launch) == .exited(7) }
        }
    }

    @Test func startsOnlyOnceHoweverOftenItIsLaunched() async throws {
        try await withLauncher("echo started >> ../count") { backend, launch in
            for _ in 0..<5 { try backend.submit(launch) }
            try await wait { try backend.status(launch) == .exited(0) }
            try backend.submit(launch)
            let count = try String(contentsOfFile: launch.folder.path + "/count", encoding: .utf8)
            #expect(count == "started\n")
        }
    }

    @Test func stopEndsEveryProcessOfTheAttemptEvenIfItLeftItsSession() async throws {
        try await withLauncher("setsid sh -c 'echo > ../away; sleep 1000' & sleep 1000") { backend, launch in
            try backend.submit(launch)
            try await wait { FileManager.default.fileExists(atPath: launch.folder.path + "/away") }
            #expect(try backend.observe(launch) == .running)
            #expect(try HostLauncher.stop(launch, force: true) >= 3)
            try await wait { try !backend.cancel(launch, force: true) }
            try await wait { try backend.status(launch) == .exited(137) }
        }
    }
}

extension LocalMPI {
    /// How it ended, once it has.
    fileprivate func status(_ launch: Launch) throws -> LaunchEnd.Cause? {
        if case .ended(let end) = try observe(launch) { end.cause } else { nil }
    }
}
