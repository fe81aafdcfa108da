// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import Provenance
import Storage
import Testing
import WorkflowModel

@Suite struct IngestTests {
    private func line(_ text: String, instance: Int? = 1) -> SegmentRecord {
        .log(at: 1_750_000_000_000_000_000, instance: instance, stream: .stderr, text: text)
    }

    @Test func aRangeIsStoredOnceHoweverOftenItIsOffered() async throws {
        let (storage, pool) = try await freshStorage()
        let run = try await storage.startedRun()
        let records = (0..<100).map { invocation(0, $0, input: nil) }
        let stored = try await withThrowingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    try await storage.ingest(run, attempt: 1, rank: 0, from: 0, to: 500, ended: false, records: records)
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(stored == 1)
        #expect(try await pool.count("invocation") == 100)
        #expect(try await storage.segmentOffsets(run, attempt: 1) == [0: SegmentPosition(offset: 500, ended: false)])
        #expect(try await !storage.ingest(run, attempt: 1, rank: 0, from: 0, to: 500, ended: false, records: records))
        #expect(try await !storage.ingest(run, attempt: 1, rank: 0, from: 501, to: 600, ended: false, records: records))
        #expect(try await storage.ingest(run, attempt: 1, rank: 0, from: 500, to: 600, ended: true, records: []))
        #expect(try await !storage.ingest(run, attempt: 1, rank: 0, from: 600, to: 700, ended: true, records: records))
        #expect(try await storage.ingest(run, attempt: 1, rank: 1, from: 0, to: 8, ended: false, records: records))
        #expect(try await pool.count("invocation") == 200)
        #expect(
            try await storage.segmentOffsets(run, attempt: 1) == [
                0: SegmentPosition(offset: 600, ended: true), 1: SegmentPosition(offset: 8, ended: false),
            ])
    }

    @Test func anUnknownAttemptIsNamed() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        await #expect(throws: StorageError.noAttempt(run, 2)) {
            try await storage.ingest(run, attempt: 2, rank: 0, from: 0, to: 1, ended: false, records: [])
        }
    }

    /// What a PE may print or attach must never stop the reading of its segment.
    @Test func oddRecordsAreStored() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        let id = DatumID(instance: 1, sequence: 0)
        let odd = ["{\"a\": NaN}", "\"\\u0000\"", "\"\\ud800\"", "", "1\0", "{\"b\": 1", "\u{FEFF}1", "1e999", "[1, 2.5, null]"]
        let records = [
            line("a\0b"), line("", instance: 60000), datum(id, by: .max, size: .max),
            .worker(at: .max, worker: 65534, event: .ended, pid: -1, node: "n\0"),
            .invocation(
                InvocationRecord(
                    instance: 65534, sequence: .max, kind: .process, outcome: .ok, input: nil, inputPort: 65534, start: .min,
                    duration: .max)),
        ]
        let documents = odd.flatMap { [SegmentRecord.result(datum: id, port: 0, json: $0), .attributes(datum: id, json: $0)] }
        try await storage.store(run, records + documents)
        let results = try await allPages(size: 4) { try await storage.results(run, attempt: nil, page: $0) }
        #expect(results.count == odd.count)
        #expect(results[0].value == ["repr": "{\"a\": NaN}"])
        #expect(results[1].value == "\0")
        #expect(results.last?.value == [1, 2.5, nil])
        #expect(results[0].element == "CountWords1" && results[0].port == "counts")
        let lines = try await storage.logs(run, attempt: nil, rank: nil, after: 0, limit: 10)
        #expect(lines.map(\.text) == ["a\u{FFFD}b", ""])
        #expect(lines.map(\.element) == ["CountWords1", nil])
        #expect(try await storage.data(run, attempt: 1, element: nil, page: PageRequest()).items.map(\.size) == [.max])
    }

    @Test func linesAreReadOnFromTheLastOne() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        for batch in 0..<4 { try await storage.store(run, rank: batch % 2, (0..<5).map { line("\(batch).\($0)") }) }
        var seen: [LogLine] = []
        while true {
            let next = try await storage.logs(run, attempt: 1, rank: nil, after: seen.last?.sequence ?? 0, limit: 3)
            if next.isEmpty { break }
            seen += next
        }
        #expect(seen.map(\.text) == (0..<4).flatMap { batch in (0..<5).map { "\(batch).\($0)" } })
        #expect(seen[0].rank == 0 && seen[5].rank == 1)
        #expect(seen[0].stream == .stderr && seen[0].instance == 1 && seen[0].at == noon)
        #expect(try await storage.logs(run, attempt: 1, rank: 1, after: 0, limit: 100).count == 10)
        _ = try await storage.requestCancel(run, at: noon)
        _ = try await storage.retry(run, at: noon)
        #expect(try await storage.logs(run, attempt: nil, rank: nil, after: 0, limit: 100).isEmpty)
        #expect(try await storage.logs(run, attempt: 1, rank: nil, after: 0, limit: 100).count == 20)
    }

    /// Ranks are read at the same time; who follows the lines must still see each of them.
    @Test func aReaderThatFollowsMissesNoLine() async throws {
        let (storage, _) = try await freshStorage()
        let run = try await storage.startedRun()
        let (ranks, batches) = (3, 30)
        try await withThrowingTaskGroup { group in
            for rank in 0..<ranks {
                group.addTask {
                    for batch in 0..<batches {
                        try await storage.store(run, rank: rank, [line("\(rank).\(batch)a"), line("\(rank).\(batch)b")])
                    }
                }
            }
            group.addTask {
                var seen = 0
                var last: Int64 = 0
                let deadline = ContinuousClock.now + .seconds(60)
                while seen < ranks * batches * 2, ContinuousClock.now < deadline {
                    let lines = try await storage.logs(run, attempt: 1, rank: nil, after: last, limit: 1000)
                    seen += lines.count
                    last = lines.last?.sequence ?? last
                }
                #expect(seen == ranks * batches * 2)
            }
            try await group.waitForAll()
        }
    }

    @Test func linesPastTheBoundAreLeftOutWithANotice() async throws {
        let (storage, pool) = try await freshStorage()
        let run = try await storage.startedRun()
        // As if all but three had been stored.
        let kept = Storage.maximumLogLines - 3
        try await pool.run { connection in
            try connection.script(
                """
                SET statement_timeout = 0;
                INSERT INTO log_line (attempt, rank, stream, at, text) SELECT id, 0, 'stdout', now(), '' FROM attempt, generate_series(1, \(kept));
                UPDATE attempt SET log_lines = \(kept)
                """)
        }
        try await storage.store(run, [line("1"), line("2")])
        try await storage.store(run, [line("3"), line("4"), line("5")])
        try await storage.store(run, [line("6")])
        let last: Int64 = try await pool.run { connection in
            try connection.query("SELECT max(sequence) AS n FROM log_line WHERE text = ''")[0].value("n")
        }
        let lines = try await storage.logs(run, attempt: nil, rank: nil, after: last, limit: 100)
        #expect(lines.prefix(3).map(\.text) == ["1", "2", "3"])
        #expect(lines.count == 4)
        #expect(lines.last?.text.contains("1000000 lines") == true)
    }
}
