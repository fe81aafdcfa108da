// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing
import WorkflowModel

@testable import RankRuntime

/// Numbers that are the same in every test run (SplitMix64).
struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

let run = RunID(milliseconds: 1_700_000_000_000, random: Array(1...10))

/// Split1 and Count2 share worker 0; Sum3 has workers 1 and 2.
let document = RunDocument(
    run: run, attempt: 2,
    graph: WorkflowGraph(
        elements: ["Split1", "Count2", "Sum3"].map {
            ProcessElement(id: $0, name: $0, inputs: [InputPort(name: "input")], outputs: ["output"])
        },
        edges: [
            Edge(from: "Split1", output: "output", to: "Count2", input: "input"),
            Edge(from: "Count2", output: "output", to: "Sum3", input: "input"),
        ]),
    plan: Plan(
        layout: .fused, ranksRequested: 1, ranks: 1,
        stages: [Stage(elements: [0, 1], workers: 1, reasons: []), Stage(elements: [2], workers: 2, reasons: [])],
        workers: [Worker(stage: 0, replica: 0, rank: 0), Worker(stage: 1, replica: 0, rank: 0), Worker(stage: 1, replica: 1, rank: 0)],
        firstInstances: [0, 1, 2], reasons: []),
    inputs: [:], interpreter: "/env/bin/python", module: "sum.py", attribute: nil)

/// A folder that goes with its owner.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "weft-rank-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func bytes(of file: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: file))) }
}

/// A disk of 64 KiB in memory.
final class SmallDisk {
    /// Only root may mount, and not everywhere.
    static let isPossible = geteuid() == 0 && (try? SmallDisk()) != nil

    let folder: TemporaryFolder
    private var filler: String { path + "/filler" }

    var path: String { folder.path }

    init() throws {
        folder = try TemporaryFolder()
        try Self.perform("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder.path)
    }

    deinit { try? Self.perform("umount", "--lazy", folder.path) }

    /// Leaves room for so many bytes.
    func fill(butFor room: Int = 0) throws {
        let descriptor = open(filler, O_WRONLY | O_CREAT, 0o600)
        try #require(descriptor >= 0)
        let block = [UInt8](repeating: 1, count: 4096)
        var size = 0
        while write(descriptor, block, block.count) == block.count { size += block.count }
        #expect(errno == ENOSPC)
        #expect(ftruncate(descriptor, size - room) == 0)
        close(descriptor)
    }

    func clear() throws { try FileManager.default.removeItem(atPath: filler) }

    private static func perform(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }
}

/// Has the open file's descriptor lead somewhere else.
func redirect(_ path: String, to other: String, _ flags: Int32) throws {
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
    let match = descriptors.first { (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path }
    let descriptor = try #require(match.flatMap { Int32($0) }, "\(path) is not open")
    let target = open(other, flags)
    try #require(target >= 0)
    #expect(dup2(target, descriptor) == descriptor)
    close(target)
}
