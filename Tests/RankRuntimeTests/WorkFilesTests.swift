// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import RankRuntime

@Suite struct WorkFilesTests {
    @Test func everyFileIsFoundWithItsDigestAndNothingElse() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.path + "/b/c", withIntermediateDirectories: true)
        try Data("abc".utf8).write(to: URL(filePath: folder.path + "/b/c/ä.txt"))
        try Data().write(to: URL(filePath: folder.path + "/a"))
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/link", withDestinationPath: "/etc/passwd")
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/round", withDestinationPath: "b")
        var files = WorkFiles(in: folder.path)
        #expect(files.areAll)
        #expect(files.files.map(\.name) == ["a", "b/c/ä.txt"])
        #expect(files.files.map(\.size) == [0, 3])
        #expect(abs(files.files[1].changedAt - Clock.wall) < 60_000_000_000)
        #expect(files.location(of: files.files[1]) == folder.path + "/b/c/ä.txt")
        let digest = try files.digest(of: files.files[1]) {}
        #expect(digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test func aFileTooManyIsTold() throws {
        let folder = try TemporaryFolder()
        for number in 0..<WorkFiles.maximum { try Data().write(to: URL(filePath: "\(folder.path)/\(number)")) }
        #expect(WorkFiles(in: folder.path).areAll)
        try Data().write(to: URL(filePath: "\(folder.path)/more"))
        let files = WorkFiles(in: folder.path)
        #expect(!files.areAll && files.files.count == WorkFiles.maximum)
    }

    @Test func aFileThatCannotBeReadOrIsTooLargeHasNoDigest() throws {
        let folder = try TemporaryFolder()
        try Data("abc".utf8).write(to: URL(filePath: folder.path + "/gone"))
        var files = WorkFiles(in: folder.path)
        let gone = files.files[0]
        try FileManager.default.removeItem(atPath: folder.path + "/gone")
        #expect(try files.digest(of: gone) {} == nil)
        let large = WorkFiles.File(name: "gone", size: WorkFiles.maximumDigested, changedAt: 0)
        #expect(try files.digest(of: large) { Issue.record("it is read") } == nil)
    }

    @Test func digestingCanBeBrokenOff() throws {
        let folder = try TemporaryFolder()
        try Data("abc".utf8).write(to: URL(filePath: folder.path + "/a"))
        var files = WorkFiles(in: folder.path)
        #expect(throws: Terminated.self) { try files.digest(of: files.files[0]) { throw Terminated() } }
    }
}
