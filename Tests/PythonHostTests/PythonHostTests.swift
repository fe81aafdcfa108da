// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import StreamEngine
import Testing
import WorkflowModel

@testable import PythonHost

@Suite struct PythonHostTests {
    @Test func aWorkersLifeIsToldInOrder() throws {
        let worker = try StandIn(
            """
            send(READY)
            send(LOG, struct.pack("<HB", 1, 1) + "grüße".encode())
            send(LOG, struct.pack("<HB", 0xFFFF, 2) + b"unknown")
            send(RECORDS, struct.pack("<BBHI", 6, 1, 0, 2) + b"xx" + struct.pack("<BBHI", 6, 1, 0, 0))
            send(OUTPUT, struct.pack("<I", 0))
            send(CONSUMED, struct.pack("<I", 4711))
            send(DONE)
            """)
        try worker.start()
        try worker.listen()
        #expect(
            worker.told == [
                "started", "ready", "READY", "1 stdout: grüße", "stderr: unknown", "RECORDS 18", "OUTPUT", "CONSUMED 4711", "DONE", "ended",
            ])
        let end = try #require(worker.end)
        #expect(end.status == .exited(0))
        #expect(end.pid == worker.pid)
        #expect(end.wasReady && end.wasDone)
        #expect(end.lastWords == ["grüße", "unknown"])
    }

    @Test func aWorkerFindsWhatTheProtocolPromises() throws {
        let worker = try StandIn(
            """
            print(os.getcwd())
            print(sys.argv[1:])
            print([name for name in sorted(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd/" + name)])
            print(sorted(name for name in os.environ if name.startswith(("WEFT_", "PMIX_"))), sys.path[1])
            print(os.getpgid(0) == os.getpid(), repr(sys.stdin.read()))
            print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
            """)
        try worker.start()
        try worker.listen()
        let folder = worker.folder
        #expect(
            try #require(worker.end).lastWords == [
                folder.work, "['\(folder.path)', '5']", "['0', '1', '2', '3']",
                "['WEFT_ATTEMPT', 'WEFT_RANK', 'WEFT_RUN_ID'] \(folder.python)", "True ''", "set()",
            ])
    }

    @Test func whatIsFedComesWholeAndInOrder() throws {
        let worker = try StandIn(
            """
            send(READY)
            while True:
                kind, body = receive()
                if kind == 2: break
                if kind == 3:
                    print("go")
                    continue
                send(OUTPUT, body[4:])
                send(CONSUMED, body[:4])
            send(DONE)
            """)
        try worker.start()
        worker.host.go(StandIn.worker)
        // More than fits any socket's buffer.
        var numbers = Numbers(state: 1)
        let noise = numbers.bytes(atMost: 500) + [UInt8](repeating: 7, count: 3 << 20)
        var expected: [UInt8] = []
        for number in 0..<3 {
            var batch = Batch()
            for _ in 0...number { noise.withUnsafeBytes { batch.append($0) } }
            expected.appendLittleEndian(UInt32(batch.count))
            batch.withRecords { expected += $0 }
            worker.host.feed(batch, number: UInt32(number), to: StandIn.worker)
        }
        worker.host.finish(StandIn.worker)
        try worker.listen()
        #expect(worker.output == expected)
        #expect(
            worker.told.filter { $0 != "stderr: go" } == [
                "started", "ready", "READY", "OUTPUT", "CONSUMED 0", "OUTPUT", "CONSUMED 1", "OUTPUT", "CONSUMED 2", "DONE", "ended",
            ])
        #expect(worker.told.contains("stderr: go"))
    }

    @Test func aWorkerThatIsNotReadFromWaits() throws {
        let worker = try StandIn(
            """
            send(READY)
            print("sent")
            send(OUTPUT, struct.pack("<I", 0) + bytes(4 << 20))
            send(DONE)
            """)
        try worker.start()
        worker.host.setReading(false, from: StandIn.worker)
        try worker.listen { $0.told.count == 2 }
        #expect(worker.told == ["started", "stderr: sent"])
        worker.host.setReading(true, from: StandIn.worker)
        try worker.listen()
        #expect(worker.told == ["started", "stderr: sent", "ready", "READY", "OUTPUT", "DONE", "ended"])
        #expect(worker.output.count == 4 + 4 << 20)
    }

    // MARK: Ends

    @Test func anExitWithoutAWord() throws {
        let worker = try StandIn("send(READY)\nos._exit(7)")
        try worker.start()
        try worker.listen()
        let end = try #require(worker.end)
        #expect(end.status == .exited(7))
        #expect(end.wasReady && !end.wasDone)
        #expect(end.lastWords.isEmpty)
        #expect(worker.told == ["started", "ready", "READY", "ended"])
    }

    @Test func aCrashAndItsLastWords() throws {
        let worker = try StandIn(
            """
            print("said", flush=True)
            os.write(2, b"free(): invalid pointer\\n\\xff not UTF-8")
            os.kill(os.getpid(), signal.SIGSEGV)
            """)
        try worker.start()
        try worker.listen()
        let end = try #require(worker.end)
        #expect(end.status == .killed(signal: "SIGSEGV"))
        #expect(!end.wasReady && !end.wasDone)
        #expect(end.lastWords == ["said", "free(): invalid pointer", "\u{FFFD} not UTF-8"])
    }

    @Test func theLastLinesAreKept() throws {
        let worker = try StandIn(
            """
            os.write(1, b"".join(b"line %d\\n" % number for number in range(50)) + b"no end of the line")
            os._exit(0)
            """)
        try worker.start()
        try worker.listen()
        let lines = (0..<50).map { "line \($0)" } + ["no end of the line"]
        #expect(worker.told == ["started"] + lines.map { "stderr: \($0)" } + ["ended"])
        #expect(try #require(worker.end).lastWords == Array(lines.suffix(WorkerProcess.wordsKept)))
    }

    @Test(arguments: [("channel.close()", false), ("send(DONE)", true)])
    func whoStaysAfterItsStreamHasEndedIsEnded(behaviour: String, isDone: Bool) throws {
        let worker = try StandIn(behaviour + "\nprint('closed')\ntime.sleep(1000)", patience: .milliseconds(100))
        try worker.start()
        try worker.listen()
        let end = try #require(worker.end)
        #expect(end.status == .silent)
        #expect(end.wasDone == isDone)
        #expect(!isAlive(worker.pid))
    }

    @Test func afterAFailureTheEndIsNotToldAgain() throws {
        let worker = try StandIn("send(READY)\nsend(FAILED, b'{}')\nprint('bye')\nos._exit(1)")
        try worker.start()
        try worker.listen()
        #expect(worker.told.filter { $0 != "stderr: bye" } == ["started", "ready", "READY", "FAILED {}"])
        #expect(worker.end == nil)
    }

    /// A process that left the worker's group holds its output open, which must not keep the rank waiting: it would end too late.
    @Test func aProcessLeftBehindDoesNotHideTheEnd() throws {
        let worker = try StandIn(
            """
            import subprocess
            print(subprocess.Popen(["sleep", "20"], start_new_session=True).pid)
            send(DONE)
            """)
        try worker.start()
        try worker.listen()
        let end = try #require(worker.end)
        let left = try #require(end.lastWords.first.flatMap { Int32($0) })
        #expect(end.status == .exited(0))
        #expect(isAlive(left))
        #expect(Glibc.kill(left, SIGKILL) == 0)
    }

    @Test func killLeavesNoProcess() throws {
        let worker = try StandIn(
            """
            import subprocess
            for number in range(1, 32):
                if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD): signal.signal(number, signal.SIG_IGN)
            print(subprocess.Popen(["sleep", "60"]).pid)
            time.sleep(1000)
            """)
        try worker.start()
        try worker.listen { $0.told.count == 2 }
        let child = try #require(worker.told.last.flatMap { Int32($0.dropFirst("stderr: ".count)) })
        #expect(isAlive(child) && isAlive(worker.pid))
        worker.host.kill()
        try worker.listen()
        #expect(try #require(worker.end).status == .killed(signal: "SIGKILL"))
        #expect(!isAlive(worker.pid))
        try worker.listen { _ in !isAlive(child) }
        worker.host.kill()
    }

    // MARK: Violations

    static let violations = [
        ("send(99)", "a frame of unknown kind 99"),
        ("channel.sendall(struct.pack('<IB', (1 << 30) + 1, OUTPUT))", "a frame of 1073741825 bytes, where 1 GiB is the most"),
        ("send(READY, b'x')", "a malformed READY frame"),
        ("send(RECORDS, struct.pack('<BBHI', 6, 1, 0, 3) + b'xx')", "a malformed RECORDS frame"),
        ("send(RECORDS, b'half')", "a malformed RECORDS frame"),
        ("send(CONSUMED, b'123')", "a malformed CONSUMED frame"),
        ("send(LOG, struct.pack('<HB', 0, 3))", "a malformed LOG frame"),
        ("send(LOG, b'')", "a malformed LOG frame"),
        ("send(DONE); send(OUTPUT, bytes(4))", "a frame after its last"),
        ("send(FAILED, b'{}'); send(DONE)", "a frame after its last"),
    ]

    @Test(arguments: violations) func aMalformedFrameIsNamed(behaviour: String, complaint: String) throws {
        let worker = try StandIn(behaviour + "\ntime.sleep(1000)")
        try worker.start()
        let violation = try #require(throws: StreamViolation.self) { try worker.listen() }
        #expect(violation.description == "worker 5 (process \(worker.pid)) sent \(complaint)")
        worker.host.kill()
        try worker.listen()
        #expect(!isAlive(worker.pid))
    }

    // MARK: Starting

    @Test func whatIsMissingIsNamed() throws {
        let worker = try StandIn("")
        let (here, document) = (worker.folder.work, worker.folder.python + "/weft/worker.py")
        let failures = [
            (here + "/no-python", here, SpawnFailure.Cause.interpreter, "No such file or directory"),
            ("no-such-python", here, .interpreter, "No such file or directory"),
            (document, here, .interpreter, "Permission denied"),
            (StandIn.interpreter, here + "/gone", .directory, "No such file or directory"),
            (StandIn.interpreter, document, .directory, "Not a directory"),
        ]
        for (interpreter, directory, cause, reason) in failures {
            let failure = try #require(throws: SpawnFailure.self) { try worker.start(interpreter: interpreter, directory: directory) }
            #expect(failure.worker == StandIn.worker)
            #expect(failure.cause == cause)
            #expect(failure.path == (cause == .directory ? directory : interpreter))
            #expect(failure.reason == reason)
        }
        #expect(worker.host.areGone)
        #expect(try worker.host.nextEvent() == nil)
    }
}
