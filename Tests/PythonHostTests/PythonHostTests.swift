// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import StreamEngine
import Testing
import WorkflowModel

@testable import PythonHost

@Suite struct PythonHostTests {
    @Test(arguments: Birth.allCases) func aWorkersLifeIsToldInOrder(birth: Birth) throws {
        let worker = try StandIn(
            """
            send(READY)
            send(LOG, struct.pack("<HB", 1, 1) + "grüße".encode())
            send(LOG, struct.pack("<HB", 0xFFFF, 2) + b"unknown")
            send(RECORDS, struct.pack("<BBHI", 6, 1, 0, 2) + b"xx" + struct.pack("<BBHI", 6, 1, 0, 0))
            send(OUTPUT, b"chunks")
            send(CONSUMED, struct.pack("<I", 4711))
            send(DONE)
            """)
        try worker.start(birth)
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

    @Test(arguments: Birth.allCases) func aWorkerFindsWhatTheProtocolPromises(birth: Birth) throws {
        let worker = try StandIn(
            """
            print(os.getcwd())
            print(sys.argv[1:])
            print([name for name in sorted(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd/" + name)])
            print(os.fstat(4).st_size)
            print(sorted(name for name in os.environ if name.startswith(("WEFT_", "PMIX_"))), os.environ["WEFT_RANK"], sys.path[1])
            print(os.getpgid(0) == os.getpid(), repr(sys.stdin.read()))
            print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
            """)
        try worker.start(birth)
        try worker.listen()
        let folder = worker.folder
        #expect(
            try #require(worker.end).lastWords == [
                folder.work, "['\(folder.path)', '5']", "['0', '1', '2', '3', '4']", "\(1 << 40)",
                "['WEFT_ARENA', 'WEFT_ATTEMPT', 'WEFT_RANK', 'WEFT_RUN_ID'] \(StandIn.rank) \(folder.python)", "True ''", "set()",
            ])
    }

    @Test(arguments: Birth.allCases) func whatIsFedComesWholeAndInOrder(birth: Birth) throws {
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
        try worker.start(birth)
        worker.host.go(StandIn.worker)
        // More than fits any socket's buffer.
        var numbers = Numbers(state: 1)
        let noise = numbers.bytes(atMost: 500) + [UInt8](repeating: 7, count: 3 << 20)
        var expected: [UInt8] = []
        for number in 0..<3 {
            let batch = FixedBytes([UInt8](repeating: 0, count: Batch.headroom) + (0...number).flatMap { _ in noise })
            expected += batch.buffer[Batch.headroom...]
            worker.host.feed(Batch(message: batch, weight: batch.count), number: UInt32(number), to: StandIn.worker)
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

    @Test(arguments: Birth.allCases) func aWorkerThatIsNotReadFromWaits(birth: Birth) throws {
        let worker = try StandIn(
            """
            send(READY)
            print("sent")
            send(OUTPUT, bytes(4 << 20))
            send(DONE)
            """)
        try worker.start(birth)
        worker.host.setReading(false, from: StandIn.worker)
        try worker.listen { $0.told.count == 2 }
        #expect(worker.told == ["started", "stderr: sent"])
        worker.host.setReading(true, from: StandIn.worker)
        try worker.listen()
        #expect(worker.told == ["started", "stderr: sent", "ready", "READY", "OUTPUT", "DONE", "ended"])
        #expect(worker.output.count == 4 << 20)
    }

    // MARK: Ends

    @Test(arguments: Birth.allCases) func anExitWithoutAWord(birth: Birth) throws {
        let worker = try StandIn("send(READY)\nos._exit(7)")
        try worker.start(birth)
        try worker.listen()
        let end = try #require(worker.end)
        #expect(end.status == .exited(7))
        #expect(end.wasReady && !end.wasDone)
        #expect(end.lastWords.isEmpty)
        #expect(worker.told == ["started", "ready", "READY", "ended"])
    }

    @Test(arguments: Birth.allCases) func aCrashAndItsLastWords(birth: Birth) throws {
        let worker = try StandIn(
            """
            print("said", flush=True)
            os.write(2, b"free(): invalid pointer\\n\\xff not UTF-8")
            os.kill(os.getpid(), signal.SIGSEGV)
            """)
        try worker.start(birth)
        try worker.listen()
        let end = try #require(worker.end)
        #expect(end.status == .killed(signal: "SIGSEGV"))
        #expect(!end.wasReady && !end.wasDone)
        #expect(end.lastWords == ["said", "free(): invalid pointer", "\u{FFFD} not UTF-8"])
    }

    @Test(arguments: Birth.allCases) func theLastLinesAreKept(birth: Birth) throws {
        let worker = try StandIn(
            """
            os.write(1, b"".join(b"line %d\\n" % number for number in range(200)) + b"no end of the line")
            os._exit(0)
            """)
        try worker.start(birth)
        try worker.listen()
        let lines = (0..<200).map { "line \($0)" } + ["no end of the line"]
        #expect(worker.told == ["started"] + lines.map { "stderr: \($0)" } + ["ended"])
        #expect(try #require(worker.end).lastWords == Array(lines.suffix(WorkerConnection.wordsKept)))
    }

    @Test(arguments: [("channel.close()", false), ("send(DONE)", true)], Birth.allCases)
    func whoStaysAfterItsStreamHasEndedIsEnded(behaviour: (String, isDone: Bool), birth: Birth) throws {
        let worker = try StandIn(behaviour.0 + "\nprint('closed')\ntime.sleep(1000)", patience: .milliseconds(100))
        try worker.start(birth)
        try worker.listen()
        let end = try #require(worker.end)
        #expect(end.status == .silent)
        #expect(end.wasDone == behaviour.isDone)
        #expect(!isAlive(worker.pid))
    }

    @Test(arguments: Birth.allCases) func afterAFailureTheEndIsNotToldAgain(birth: Birth) throws {
        let worker = try StandIn("send(READY)\nsend(FAILED, b'{}')\nprint('bye')\nos._exit(1)")
        try worker.start(birth)
        try worker.listen()
        #expect(worker.told.filter { $0 != "stderr: bye" } == ["started", "ready", "READY", "FAILED {}"])
        #expect(worker.end == nil)
    }

    /// A process that left the worker's group holds its output open, which must not keep the rank waiting: it would end too late.
    @Test(arguments: Birth.allCases) func aProcessLeftBehindDoesNotHideTheEnd(birth: Birth) throws {
        let worker = try StandIn(
            """
            import subprocess
            print(subprocess.Popen(["sleep", "20"], start_new_session=True).pid)
            send(DONE)
            """)
        try worker.start(birth)
        try worker.listen()
        let end = try #require(worker.end)
        let left = try #require(end.lastWords.first.flatMap { Int32($0) })
        #expect(end.status == .exited(0))
        #expect(isAlive(left))
        #expect(Glibc.kill(left, SIGKILL) == 0)
    }

    @Test(arguments: Birth.allCases) func killLeavesNoProcess(birth: Birth) throws {
        let worker = try StandIn(
            """
            import subprocess
            for number in range(1, 32):
                if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD): signal.signal(number, signal.SIG_IGN)
            print(subprocess.Popen(["sleep", "60"]).pid)
            time.sleep(1000)
            """)
        try worker.start(birth)
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

    static let missing = [
        ("/gone/python", SpawnFailure.Cause.interpreter, "No such file or directory"),
        ("no-such-python", .interpreter, "No such file or directory"), ("/etc/passwd", .interpreter, "Permission denied"),
        (StandIn.interpreter, .directory, "No such file or directory"),
    ]

    @Test(arguments: missing, Birth.allCases)
    func whatIsMissingIsNamed(what: (interpreter: String, cause: SpawnFailure.Cause, reason: String), birth: Birth) throws {
        let worker = try StandIn("", interpreter: what.interpreter)
        if what.cause == .directory { try FileManager.default.removeItem(atPath: worker.folder.work) }
        if birth == .forked {
            #expect(Nursery(worker.launch) == nil, "there is no nursery either")
            worker.host.connect(own: nil)
        }
        let failure = try #require(throws: SpawnFailure.self) {
            try worker.start()
            // The socket may live on for a moment, in a process that another test is just starting.
            try worker.listen()
        }
        #expect(failure.worker == StandIn.worker)
        #expect(failure.cause == what.cause)
        #expect(failure.path == (what.cause == .directory ? worker.folder.work : what.interpreter))
        #expect(failure.reason == what.reason)
        #expect(worker.host.areGone)
        #expect(try worker.host.nextEvent() == nil)
    }

    @Test(arguments: Birth.allCases) func anotherProcessReachesAWorkersArena(birth: Birth) throws {
        let worker = try StandIn(
            """
            import subprocess
            os.pwrite(4, b"in shared memory", 1 << 39)
            process, descriptor = os.environ["WEFT_ARENA"].split(":")
            path = f"/proc/{process}/fd/{descriptor}"
            print(subprocess.run(["dd", "if=" + path, "bs=1", "count=16", "iflag=skip_bytes", f"skip={1 << 39}"], capture_output=True).stdout)
            """)
        try worker.start(birth)
        try worker.listen()
        #expect(try #require(worker.end).lastWords == ["b'in shared memory'"])
    }
}
