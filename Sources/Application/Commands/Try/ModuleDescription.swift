// SPDX-License-Identifier: Apache-2.0

import CPosix
import FoundationEssentials
import Glibc
import WorkflowModel

/// Asks Python for the graph that a module builds.
struct ModuleDescription {
    private static let maximumReport = 256 << 20
    private static let maximumOutput = 64 << 10

    var interpreter: String
    var environment: [String: String]
    var directory: String
    var interruption: Interruption

    /// - Throws: `Problem` with what is wrong with the module; `SilentExit` after an interruption.
    func load(_ file: String, attribute: String?) throws -> (graph: WorkflowGraph, report: ModuleReport) {
        var report = try Pipe()
        var output = try Pipe()
        let words = [interpreter, "-m", "weft.loader", file] + (attribute.map { ["--attribute", $0] } ?? [])
        let process = try ChildProcess(
            words, environment: environment, directory: directory, descriptors: [output.writing, output.writing, report.writing])
        report.closeWriting()
        output.closeWriting()
        while !Interruption.isReadable(process.watch) {
            interruption.wait(for: [process.watch] + report.interest + output.interest, milliseconds: 1000)
            if interruption.hasCome { process.kill() }
            report.read(limit: Self.maximumReport)
            output.read(limit: Self.maximumOutput)
        }
        let status = process.reap()
        if interruption.hasCome { throw SilentExit(status: .interrupted) }
        report.read(limit: Self.maximumReport)
        output.read(limit: Self.maximumOutput)
        let printed = String(decoding: output.bytes, as: UTF8.self)
        guard let found = try? WireJSON.decode(ModuleReport.self, from: report.bytes) else {
            throw CommandFailure(
                "Loading \(file) ended Python (\(interpreter)) with status \(status).\(printed.isEmpty ? "" : "\n" + printed)")
        }
        let name = file.split(separator: "/").last.map(String.init) ?? file
        return (try found.validGraph(of: name), found)
    }
}

/// What a child writes, read without waiting.
private struct Pipe: ~Copyable {
    let reading: Int32
    private(set) var writing: Int32
    private(set) var bytes: [UInt8] = []
    private(set) var hasEnded = false

    init() throws(CommandFailure) {
        var ends: [Int32] = [-1, -1]
        guard weft_pipe(&ends) == 0 else { throw systemFailure("A pipe cannot be made") }
        (reading, writing) = (ends[0], ends[1])
    }

    deinit {
        close(reading)
        if writing >= 0 { close(writing) }
    }

    /// What to wait for.
    var interest: [Int32] { hasEnded ? [] : [reading] }

    mutating func closeWriting() {
        close(writing)
        writing = -1
    }

    /// What is there now; what is over the limit is dropped.
    mutating func read(limit: Int) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while !hasEnded {
            let count = Glibc.read(reading, &buffer, buffer.count)
            if count > 0 {
                bytes += buffer.prefix(min(count, max(0, limit - bytes.count)))
            } else if count == 0 {
                hasEnded = true
            } else if errno != EINTR {
                return
            }
        }
    }
}
