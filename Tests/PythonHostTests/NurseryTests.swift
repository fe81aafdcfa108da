// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import StreamEngine
import Testing
import WorkflowModel

@testable import PythonHost

@Suite struct NurseryTests {
    private let life = "send(READY)\nsend(DONE)"
    private let plainLife = ["started", "ready", "READY", "DONE", "ended"]

    private func parent(of process: Int32) throws -> Int32? {
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        return status.split(separator: "\n").first { $0.hasPrefix("PPid:") }.flatMap { Int32($0.dropFirst(5).trimmingPrefix(/\s*/)) }
    }

    @Test func aWorkerIsForkedByTheNursery() throws {
        let worker = try StandIn("send(READY)\nreceive()\nsend(DONE)")
        try worker.start(.forked)
        try worker.listen { $0.told.last == "READY" }
        #expect(try parent(of: worker.pid) == worker.nursery)
        worker.host.finish(StandIn.worker)
        try worker.listen()
        #expect(worker.told == plainLife)
    }

    @Test func withoutANurseryWorkersAreStartedPlainly() throws {
        let worker = try StandIn("send(READY)\nreceive()\nsend(DONE)")
        worker.host.connect(own: nil)
        try worker.start()
        try worker.listen { $0.told.last == "READY" }
        #expect(try parent(of: worker.pid) == getpid())
        worker.host.finish(StandIn.worker)
        try worker.listen()
        #expect(worker.told == plainLife)
    }

    @Test func aRefusedWorkerIsStartedPlainlyAndTheReasonTold() throws {
        let refusal = "serve(lambda request, _: say(worker=request['worker'], refused='the module has started 2 threads'))"
        let worker = try StandIn(life, nursery: refusal)
        try worker.start(.forked)
        try worker.listen()
        #expect(
            worker.told == ["nursery: workers are started one by one, not forked: the module has started 2 threads"] + plainLife)
    }

    @Test func aModuleThatCannotBeLoadedFailsTheWorker() throws {
        let failure = "serve(lambda request, _: say(worker=request['worker'], failed={'cause': 'load', 'message': 'no module named ü'}))"
        let worker = try StandIn(life, nursery: failure)
        try worker.start(.forked)
        try worker.listen()
        #expect(worker.told == [#"FAILED {"cause":"load","message":"no module named ü"}"#])
    }

    @Test func whatTheNurseryPrintsIsTold() throws {
        let worker = try StandIn(life, nursery: "print('loading')\nserve()")
        try worker.start(.forked)
        try worker.listen { $0.told.contains("nursery: loading") && $0.host.areGone }
        #expect(worker.told.filter { $0 != "nursery: loading" } == plainLife)
    }

    // MARK: Its death

    @Test(arguments: ["time.sleep(1000)", "kept = listener.accept()\ntime.sleep(1000)", "serve(lambda *_: time.sleep(1000))"])
    func afterItsDeathThoseNotAnsweredAreStartedPlainly(nursery: String) throws {
        let worker = try StandIn(life, nursery: "print('here')\n" + nursery)
        try worker.start(.forked)
        try worker.listen { $0.told == ["nursery: here"] }
        #expect(kill(worker.nursery, SIGKILL) == 0)
        try worker.listen { $0.host.areGone && $0.told.contains("nursery: the nursery was killed by SIGKILL") }
        #expect(worker.told.filter { !$0.hasPrefix("nursery") } == plainLife)
        #expect(try #require(worker.end).status == .exited(0))
    }

    @Test func aNurseryThatDiesByItselfIsNamed() throws {
        let worker = try StandIn(life, nursery: "raise ValueError('cannot load')")
        try worker.start(.forked)
        try worker.listen { $0.host.areGone && $0.told.contains("nursery: the nursery exited with status 1") }
        #expect(worker.told.contains("nursery: ValueError: cannot load"))
        #expect(worker.told.filter { !$0.hasPrefix("nursery") } == plainLife)
    }

    @Test func workersEndWithIt() throws {
        let worker = try StandIn("send(READY)\nprint('last words')\ntime.sleep(1000)", patience: .milliseconds(200))
        try worker.start(.forked)
        try worker.listen { $0.told.contains("READY") && $0.told.contains("stderr: last words") }
        #expect(kill(worker.nursery, SIGKILL) == 0)
        try worker.listen()
        let end = try #require(worker.end)
        #expect(end.status == .orphaned)
        #expect(end.wasReady && !end.wasDone)
        #expect(end.lastWords == ["last words"])
        #expect(!isAlive(worker.pid))
    }

    @Test func aWorkerThatWasDoneNeedsItNoMore() throws {
        let worker = try StandIn("send(DONE)\nprint(os.getppid())\ntime.sleep(1000)")
        try worker.start(.forked)
        try worker.listen { $0.told.contains("stderr: \($0.nursery)") && $0.told.contains("DONE") }
        #expect(kill(worker.nursery, SIGKILL) == 0)
        try worker.listen()
        let end = try #require(worker.end)
        #expect(end.status == .orphaned)
        #expect(end.wasDone)
    }

    // MARK: Ends

    @Test func aWorkerThatIsKilledBeforeItIsThereDoesNotStay() throws {
        let worker = try StandIn(
            "time.sleep(1000)",
            nursery: """
                def late(request, descriptors):
                    print("asked")
                    time.sleep(0.3)
                    answer(request, descriptors)
                serve(late)
                """)
        try worker.start(.forked)
        try worker.listen { $0.told == ["nursery: asked"] }
        worker.host.kill()
        try worker.listen()
        #expect(worker.told == ["nursery: asked", "started", "ended"])
        #expect(try #require(worker.end).status == .killed(signal: "SIGKILL"))
        #expect(!isAlive(worker.pid))
    }

    @Test func closingLeavesNoNursery() throws {
        let worker = try StandIn(life)
        try worker.start(.forked)
        try worker.listen()
        worker.host.close()
        #expect(!isAlive(worker.nursery))
    }

    static let violations = [
        "connection.send(b'noise')", "connection.send(b'{}')", #"connection.send(b'{"worker": 5}')"#, "connection.send(bytes(100))",
        #"connection.send(b'{"worker": 77, "pid": 4711}')"#,
    ]

    @Test(arguments: violations) func whatCannotBeUnderstoodIsRefused(message: String) throws {
        let worker = try StandIn(life, nursery: "serve(lambda *_: \(message))")
        try worker.start(.forked)
        let violation = try #require(throws: StreamViolation.self) { try worker.listen() }
        #expect(violation.description.hasPrefix("the nursery sent a message "))
    }

    @Test(.enabled(if: geteuid() == 0, "only root can be somebody else")) func anotherUsersSocketIsNotTalkedTo() throws {
        let worker = try StandIn(life)
        let stranger = Process()
        let output = Pipe()
        stranger.executableURL = URL(filePath: "/usr/bin/env")
        stranger.arguments = [
            StandIn.interpreter, "-c",
            """
            import ctypes, os, signal, socket, sys
            os.setuid(65534)
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            listener.bind("\\0" + sys.argv[1])
            listener.listen()
            print("listening", flush=True)
            listener.accept()
            print("called", flush=True)
            os._exit(not listener.accept()[0].recv(1))
            """, worker.launch.address,
        ]
        stranger.standardOutput = output
        stranger.standardError = FileHandle.nullDevice
        try stranger.run()
        defer { stranger.terminate() }
        #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self).hasPrefix("listening"))
        worker.host.connect(own: nil)
        try worker.start()
        try worker.listen()
        #expect(worker.told == plainLife)
    }
}
