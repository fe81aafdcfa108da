// SPDX-License-Identifier: Apache-2.0

import CPosix
import FoundationEssentials
import Glibc
import WorkflowModel

/// The Python process that loads the module of a try. It tells of the graph, and stays: the ranks' workers are forked from it,
/// so that a module is loaded once.
struct TriedModule: ~Copyable {
    private static let maximumReport = 256 << 20
    private static let maximumOutput = 64 << 10
    /// How long a process that cannot report any more may take to end.
    private static let patience = Duration.seconds(2)

    let report: ModuleReport
    private var process: ChildProcess?
    private var output: Pipe
    private var lines = PrintedLines()

    private init(report: ModuleReport, process: ChildProcess, output: consuming Pipe) {
        self.report = report
        self.process = process
        self.output = output
    }

    /// - Parameter address: where the ranks will find it.
    /// - Throws: `SilentExit` after an interruption; `CommandFailure` where Python ended without a report.
    static func load(
        interpreter: String, folder: RunFolder, file: String, attribute: String?, address: String, environment: [String: String],
        directory: String, interruption: Interruption
    ) throws -> TriedModule {
        var listener: Int32 = -1
        let code = weft_listen(address, &listener)
        guard code == 0 else { throw CommandFailure("No socket can be made for the workers: \(String(cString: strerror(code))).") }
        defer { close(listener) }
        var report = try Pipe()
        var output = try Pipe()
        let words = [interpreter, "-u", "-m", "weft.nursery", folder.path, file] + (attribute.map { [$0] } ?? [])
        let process = try ChildProcess(
            words, environment: environment, directory: directory,
            descriptors: [output.writing, output.writing, listener, report.writing])
        report.closeWriting()
        output.closeWriting()
        while !Interruption.isReadable(process.watch), !report.hasEnded {
            interruption.wait(for: [process.watch] + report.interest + output.interest, milliseconds: 1000)
            if interruption.hasCome { process.kill() }
            report.read(limit: Self.maximumReport)
            output.read(limit: Self.maximumOutput)
        }
        report.read(limit: Self.maximumReport)
        if let found = try? WireJSON.decode(ModuleReport.self, from: report.bytes) {
            var module = TriedModule(report: found, process: process, output: output)
            if found.nursery != true { module.end() }
            return module
        }
        let deadline = ContinuousClock.now + Self.patience
        while !Interruption.isReadable(process.watch), !interruption.hasCome, .now < deadline {
            interruption.wait(for: [process.watch], milliseconds: 100)
        }
        process.kill()
        let status = process.reap()
        if interruption.hasCome { throw SilentExit(status: .interrupted) }
        output.read(limit: Self.maximumOutput)
        let printed = String(decoding: output.bytes, as: UTF8.self)
        throw CommandFailure(
            "Loading \(file) ended Python (\(interpreter)) with status \(status).\(printed.isEmpty ? "" : "\n" + printed)")
    }

    /// What to wait for.
    var interest: [Int32] { output.interest }

    /// Whole lines that it has printed since the last call; after its end, all.
    mutating func printed() -> [String] {
        output.read(limit: Self.maximumOutput)
        return lines.take(output.take(), isEnd: output.hasEnded)
    }

    /// Kills it, and with it what it has forked.
    mutating func end() {
        process?.kill()
        _ = process?.reap()
        process = nil
    }

    deinit {
        process?.kill()
        _ = process?.reap()
    }
}

/// Cuts text into lines.
private struct PrintedLines {
    private static let maximumLine = 64 << 10
    private var rest: [UInt8] = []

    mutating func take(_ bytes: [UInt8], isEnd: Bool) -> [String] {
        rest += bytes
        var lines = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let last = lines.removeLast()
        let isCut = isEnd || last.count > Self.maximumLine
        let whole =
            lines.map { String(decoding: $0, as: UTF8.self) } + (isCut && !last.isEmpty ? [String(decoding: last, as: UTF8.self)] : [])
        rest = isCut ? [] : Array(last)
        return whole
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

    mutating func take() -> [UInt8] {
        defer { bytes = [] }
        return bytes
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
