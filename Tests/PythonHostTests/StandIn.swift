// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import StreamEngine
import Testing
import WorkflowModel

@testable import PythonHost

/// A worker that does what a test tells it, in Python, and the host that started it. Workers are killed with the thread that
/// started them, so that tests must not suspend.
final class StandIn {
    static let worker = 5
    static let interpreter = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3") ? "/usr/bin/python3" : "python3"
    static let run = RunID(milliseconds: 1, random: Array(1...10))

    let folder: RunFolder
    let host: PythonHost
    /// What the host told, one line for each event.
    private(set) var told: [String] = []
    private(set) var end: WorkerEnd?
    private(set) var pid: Int32 = 0
    private(set) var output: [UInt8] = []

    private static let prelude = """
        import os, resource, signal, socket, struct, sys, time

        READY, OUTPUT, RECORDS, CONSUMED, LOG, DONE, FAILED = range(16, 23)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        channel = socket.socket(fileno=3)

        def send(kind, body=b""):
            channel.sendall(struct.pack("<IB", len(body), kind) + body)

        def receive():
            length, kind = struct.unpack("<IB", channel.recv(5, socket.MSG_WAITALL))
            return kind, channel.recv(length, socket.MSG_WAITALL) if length else b""


        """

    init(_ behaviour: String, patience: Duration = .seconds(5)) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "weft-worker-\(UUID().uuidString)").path
        folder = RunFolder(path: path)
        host = PythonHost(patience: patience)
        let package = folder.python + "/weft"
        for directory in [package, folder.work] {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }
        try Data().write(to: URL(filePath: package + "/__init__.py"))
        try Data((Self.prelude + behaviour + "\n").utf8).write(to: URL(filePath: package + "/worker.py"))
    }

    /// Leaves neither process nor file.
    deinit {
        host.kill()
        for _ in 0..<2000 where !host.areGone {
            if (try? host.nextEvent()) == nil { host.wait(nanoseconds: 5_000_000, or: -1) }
        }
        try? FileManager.default.removeItem(atPath: folder.path)
    }

    func start(interpreter: String = interpreter, directory: String? = nil) throws(SpawnFailure) {
        let environment = WorkerEnvironment.variables(
            inherited: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "PMIX_RANK": "1"], folder: folder, run: Self.run,
            attempt: 3, rank: 7)
        try host.start(
            worker: Self.worker, interpreter: interpreter, folder: folder.path, environment: environment,
            directory: directory ?? folder.work)
    }

    /// Takes events until the worker's end has been told, or what the test waits for.
    func listen(until isHeard: (StandIn) -> Bool = { $0.host.areGone }) throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while !isHeard(self) {
            try #require(ContinuousClock.now < deadline, "waited too long; so far: \(told)")
            if let (worker, event) = try host.nextEvent() {
                #expect(worker == Self.worker)
                told.append(take(event))
            } else {
                host.wait(nanoseconds: 5_000_000, or: -1)
            }
        }
    }

    private func take(_ event: HostEvent<WorkerNote>) -> String {
        switch event {
        case .ready: return "READY"
        case .output(let body):
            output += body
            return "OUTPUT"
        case .consumed(let number): return "CONSUMED \(number)"
        case .done: return "DONE"
        case .note(.started(let pid)):
            self.pid = pid
            return "started"
        case .note(.ready(let pid)): return pid == self.pid ? "ready" : "ready as \(pid), started as \(self.pid)"
        case .note(.records(let bytes)): return "RECORDS \(bytes.count)"
        case .note(.line(let instance, let stream, let text)): return "\(instance.map { "\($0) " } ?? "")\(stream): \(text)"
        case .note(.failed(let json)): return "FAILED \(String(decoding: json, as: UTF8.self))"
        case .note(.ended(let end)):
            self.end = end
            return "ended"
        }
    }
}

/// Whether the process exists and is more than an entry that nobody has asked for yet.
func isAlive(_ process: Int32) -> Bool {
    guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return false }
    let state = stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].dropFirst(2).first
    return state != "Z" && state != "X"
}
