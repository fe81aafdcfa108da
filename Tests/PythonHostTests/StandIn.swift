// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import StreamEngine
import Testing
import WorkflowModel

@testable import PythonHost

/// The ways in which a worker comes to life.
enum Birth: CaseIterable { case plain, forked }

/// A worker that does what a test tells it, in Python, and the host that started it. Workers are killed with the thread that
/// started them, so that tests must not suspend.
final class StandIn {
    static let worker = 5
    static let rank = 7
    static let interpreter = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3") ? "/usr/bin/python3" : "python3"
    static let run = RunID(milliseconds: 1, random: Array(1...10))

    let folder: RunFolder
    let launch: WorkerLaunch
    let host: PythonHost
    /// Its process id.
    private(set) var nursery: Int32 = 0
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

    /// A nursery as far as it must be for the rank; what follows says how it answers.
    private static let nursery = """
        import array, ctypes, json, os, runpy, select, signal, socket, sys, time

        listener = socket.socket(fileno=3)
        connection = None
        children = {}

        def say(**message):
            connection.send(json.dumps(message).encode())

        def receive():
            message, ancillary, _, _ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(3 * 4))
            if not message: os._exit(0)
            return json.loads(message), list(array.array("i", ancillary[0][2]))

        def fork(request, descriptors):
            pid = os.fork()
            if pid == 0:
                ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
                os.setpgid(0, 0)
                channel, output, arena = [os.dup2(descriptor, descriptor + 100) for descriptor in descriptors]
                for target, source in enumerate([output, output, channel, arena], 1): os.dup2(source, target)
                os.closerange(5, 1024)
                os.environ.update(request["environment"])
                sys.argv = ["worker", sys.argv[1], str(request["worker"])]
                runpy.run_module("weft.worker", run_name="__main__")
                os._exit(0)
            for descriptor in descriptors: os.close(descriptor)
            children[os.pidfd_open(pid)] = request["worker"], pid
            return pid

        def answer(request, descriptors):
            say(worker=request["worker"], pid=fork(request, descriptors))

        def serve(answer=answer):
            global connection
            connection, _ = listener.accept()
            while True:
                poller = select.poll()
                for descriptor in [connection.fileno(), *children]: poller.register(descriptor, select.POLLIN)
                for descriptor, _ in poller.poll():
                    if descriptor == connection.fileno():
                        answer(*receive())
                    else:
                        worker, pid = children.pop(descriptor)
                        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
                        try: os.killpg(pid, signal.SIGKILL)
                        except OSError: pass
                        say(worker=worker, pid=pid, status=os.waitpid(pid, 0)[1])


        """

    /// - Parameter nursery: what the node's nursery does, in Python.
    init(
        _ behaviour: String, nursery: String = "serve()", interpreter: String = interpreter, patience: Duration = .seconds(5)
    ) throws {
        let name = "weft-worker-\(UUID().uuidString)"
        folder = RunFolder(path: FileManager.default.temporaryDirectory.appending(path: name).path)
        var launch = WorkerLaunch(
            interpreter: interpreter, folder: folder, run: Self.run, attempt: 3,
            inherited: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "PMIX_RANK": "1"])
        launch.address = name
        self.launch = launch
        host = PythonHost(launch: launch, rank: Self.rank, patience: patience)
        let package = folder.python + "/weft"
        for directory in [package, folder.work] {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }
        try Data().write(to: URL(filePath: package + "/__init__.py"))
        try Data((Self.prelude + behaviour + "\n").utf8).write(to: URL(filePath: package + "/worker.py"))
        try Data((Self.nursery + nursery + "\n").utf8).write(to: URL(filePath: package + "/nursery.py"))
    }

    /// Leaves neither process nor file.
    deinit {
        host.kill()
        host.close()
        for _ in 0..<2000 where !host.areGone {
            if (try? host.nextEvent()) == nil { host.wait(nanoseconds: 5_000_000, or: -1) }
        }
        try? FileManager.default.removeItem(atPath: folder.path)
    }

    func start(_ birth: Birth = .plain) throws {
        if birth == .forked {
            let nursery = try #require(Nursery(launch))
            self.nursery = nursery.pid
            host.connect(own: nursery)
        }
        try host.start(worker: Self.worker)
    }

    /// Takes events until the worker's end has been told, or what the test waits for.
    func listen(until isHeard: (StandIn) -> Bool = { $0.host.areGone }) throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while !isHeard(self) {
            try #require(ContinuousClock.now < deadline, "waited too long; so far: \(told)")
            if let (worker, event) = try host.nextEvent() {
                #expect(worker == Self.worker || worker == -1)
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
            output += body.buffer
            return "OUTPUT"
        case .consumed(let number): return "CONSUMED \(number)"
        case .checkpointed(let checkpoint): return "CHECKPOINTED \(checkpoint)"
        case .paused: return "PAUSED"
        case .last: return "LAST"
        case .done: return "DONE"
        case .note(.started(let pid)):
            self.pid = pid
            return "started"
        case .note(.ready(let pid)): return pid == self.pid ? "ready" : "ready as \(pid), started as \(self.pid)"
        case .note(.checkpointed(let checkpoint, let items)): return "checkpoint \(checkpoint) after \(items.map { "\($0)" } ?? "no") items"
        case .note(.records(let bytes)): return "RECORDS \(bytes.count)"
        case .note(.line(let instance, let stream, let text)): return "\(instance.map { "\($0) " } ?? "")\(stream): \(text)"
        case .note(.failed(let json)): return "FAILED \(String(decoding: json, as: UTF8.self))"
        case .note(.nursery(let text)): return "nursery: \(text)"
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
