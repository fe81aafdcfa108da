// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing

@testable import Server

struct ProcessSetupTests {
    private func withFolder(_ body: (String) throws -> Void) rethrows {
        let path = FileManager.default.temporaryDirectory.path() + "/weft-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    @Test func aNewDataFolderIsPrivate() throws {
        try withFolder { path in
            try ProcessSetup.makePrivateFolder(path + "/a/data")
            #expect(mode(path + "/a/data") == 0o700)
        }
    }

    @Test func anOpenDataFolderIsClosed() throws {
        try withFolder { path in
            try #require(mkdir(path, 0o755) == 0)
            try #require(chmod(path, 0o755) == 0)
            try ProcessSetup.makePrivateFolder(path)
            #expect(mode(path) == 0o700)
        }
    }

    @Test func aDataFolderThatCannotBeMadeIsNamed() throws {
        try withFolder { path in
            try Data().write(to: URL(filePath: path))
            let failure = #expect(throws: StartFailure.self) { try ProcessSetup.makePrivateFolder(path + "/data") }
            #expect(failure?.status == .cannotCreate)
            #expect(failure?.description.contains(path + "/data") == true)
        }
    }

    @Test func theDescriptorLimitIsRaisedToTheHardOne() throws {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var before = rlimit()
        try #require(getrlimit(resource, &before) == 0)
        let raised = ProcessSetup.raiseDescriptorLimit()
        var after = rlimit()
        try #require(getrlimit(resource, &after) == 0)
        #expect(Int(clamping: after.rlim_cur) == raised)
        #expect(raised >= Int(clamping: min(before.rlim_max, 1 << 20)))
        #expect(after.rlim_max == before.rlim_max)
    }

    @Test func connectionsLeaveDescriptorsForTheRest() {
        #expect(ProcessSetup.connections(asked: 1024, descriptors: 65536) == 1024)
        #expect(ProcessSetup.connections(asked: 1024, descriptors: 1024) == 768)
        #expect(ProcessSetup.connections(asked: 1024, descriptors: 100) == 1)
    }
}
