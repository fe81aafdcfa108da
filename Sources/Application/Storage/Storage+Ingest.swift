// SPDX-License-Identifier: Apache-2.0

import Postgres
package import Provenance
package import WorkflowModel

extension Storage {
    /// Lines kept of one attempt; after them comes one that says so.
    package static let maximumLogLines = 1_000_000

    /// How far each rank's segment has been read; ranks of which nothing has been read are absent.
    package func segmentOffsets(_ run: RunID, attempt: Int) async throws -> [Int: SegmentPosition] {
        try await pool.run { connection in
            let id = try connection.attempt(attempt, of: run).id
            let rows = try connection.query("SELECT rank, offset_, ended FROM segment WHERE attempt = $1", [.int(id)])
            return try Dictionary(
                uniqueKeysWithValues: rows.map { row in
                    (try row.value("rank"), SegmentPosition(offset: try row.value("offset_"), ended: try row.value("ended")))
                })
        }
    }

    /// Stores what stands in a rank's segment between two offsets, and the second offset with it, so that each record is
    /// stored exactly once.
    ///
    /// - Returns: false, with nothing stored, when the segment has not been read up to just `offset`: somebody else was faster,
    ///   and ``segmentOffsets(_:attempt:)`` tells where to go on.
    package func ingest(
        _ run: RunID, attempt: Int, rank: Int, from offset: Int64, to newOffset: Int64, ended: Bool, records: [SegmentRecord]
    ) async throws -> Bool {
        let batch = RecordBatch(records)
        return try await pool.transaction { connection in
            let id = try connection.attempt(attempt, of: run).id
            try connection.query("INSERT INTO segment (attempt, rank) VALUES ($1, $2) ON CONFLICT DO NOTHING", [.int(id), .int(rank)])
            let moved = try connection.query(
                """
                UPDATE segment SET offset_ = $4, ended = $5 WHERE attempt = $1 AND rank = $2 AND offset_ = $3 AND NOT ended
                """, [.int(id), .int(rank), .int(offset), .int(newOffset), .bool(ended)])
            guard moved.affected == 1 else { return false }
            try connection.copy(batch, attempt: id, rank: rank)
            try connection.notify(run)
            return true
        }
    }
}

/// Records by the table that they go to.
private struct RecordBatch {
    var invocations: [InvocationRecord] = []
    var data: [WrittenDatum] = []
    var derivations: [(datum: DatumID, source: DatumID)] = []
    var attributes: [(datum: DatumID, json: String)] = []
    var results: [(datum: DatumID, port: Int, json: String)] = []
    var lines: [(at: Int64, instance: Int?, stream: LogLine.Stream, text: String)] = []
    var events: [(at: Int64, worker: Int, event: WorkerEvent, pid: Int32, node: String)] = []
    var callRuns: [StoredCallRun] = []
    var dataRuns: [StoredDataRun] = []
    var peaks: [(worker: Int?, bytes: Int64)] = []
    /// The last one of each instance.
    var profiles: [Int: InstanceProfile] = [:]

    init(_ records: [SegmentRecord]) {
        for record in records {
            switch record {
            case .invocation(let invocation): invocations.append(invocation)
            case .datum(let datum): data.append(datum)
            case .derivation(let datum, let source): derivations.append((datum, source))
            case .attributes(let datum, let json): attributes.append((datum, json.storableJSON))
            case .result(let datum, let port, let json): results.append((datum, port, json.storableJSON))
            case .log(let at, let instance, let stream, let text): lines.append((at, instance, stream, text.replacingNUL))
            case .worker(let at, let worker, let event, let pid, let node): events.append((at, worker, event, pid, node.replacingNUL))
            case .calls(let run): callRuns += StoredCallRun.rows(of: run)
            case .data(let run): dataRuns += StoredDataRun.rows(of: run)
            case .profile(let instance, let profile): profiles[instance] = profile
            case .memory(let worker, let peak): peaks.append((worker, peak))
            }
        }
    }
}

extension Connection {
    fileprivate func copy(_ batch: RecordBatch, attempt: Int64, rank: Int) throws {
        try copy(
            batch.invocations, into: "invocation",
            ["attempt", "instance", "sequence", "kind", "outcome", "input", "input_port", "started_at", "duration"]
        ) { invocation, row in
            row.bigint(attempt)
            row.integer(invocation.instance)
            row.bigint(Int64(clamping: invocation.sequence))
            row.smallint(Int(invocation.kind.rawValue))
            row.smallint(Int(invocation.outcome.rawValue))
            row.bigint(invocation.input.map { Int64($0) })
            row.integer(invocation.inputPort)
            row.timestamp(nanosecondsSince1970: invocation.start)
            row.bigint(invocation.duration)
        }
        let skipped = batch.invocations.count { $0.outcome == .skipped }
        if skipped > 0 { try query("UPDATE attempt SET skipped = skipped + $2 WHERE id = $1", [.int(attempt), .int(skipped)]) }
        try copy(batch.callRuns, into: "invocation_run", StoredCallRun.columns) { run, row in
            row.bigint(attempt)
            run.write(to: &row)
        }
        try copy(batch.dataRuns, into: "datum_run", StoredDataRun.columns) { run, row in
            row.bigint(attempt)
            run.write(to: &row)
        }
        // In one order, so that ranks that are read at the same time cannot wait for each other.
        for (instance, profile) in batch.profiles.sorted(by: { $0.key < $1.key }) {
            try store(profile, attempt: attempt, instance: instance)
        }
        try copy(
            batch.data, into: "datum", ["attempt", "datum", "instance", "origin", "port", "invocation", "size", "at"]
        ) { datum, row in
            row.bigint(attempt)
            row.bigint(Int64(datum.id))
            row.integer(datum.id.instance)
            row.smallint(Int(datum.origin.rawValue))
            row.integer(datum.port)
            row.bigint(datum.invocation.map { Int64(clamping: $0) })
            row.bigint(Int64(clamping: datum.size))
            row.timestamp(nanosecondsSince1970: datum.at)
        }
        try copy(batch.derivations, into: "derivation", ["attempt", "datum", "source"]) { derivation, row in
            row.bigint(attempt)
            row.bigint(Int64(derivation.datum))
            row.bigint(Int64(derivation.source))
        }
        try copy(batch.attributes, into: "datum_attribute", ["attempt", "datum", "value"]) { attributes, row in
            row.bigint(attempt)
            row.bigint(Int64(attributes.datum))
            row.text(attributes.json)
        }
        try copy(batch.results, into: "run_result", ["attempt", "datum", "port", "value"]) { result, row in
            row.bigint(attempt)
            row.bigint(Int64(result.datum))
            row.integer(result.port)
            row.text(result.json)
        }
        try copy(batch.events, into: "worker_event", ["attempt", "rank", "worker", "event", "at", "pid", "node"]) { event, row in
            row.bigint(attempt)
            row.integer(rank)
            row.integer(event.worker)
            row.text("\(event.event)")
            row.timestamp(nanosecondsSince1970: event.at)
            row.integer(Int(event.pid))
            row.text(event.node)
        }
        try copy(batch.peaks, into: "memory_peak", ["attempt", "rank", "worker", "bytes"]) { peak, row in
            row.bigint(attempt)
            row.integer(rank)
            row.integer(peak.worker)
            row.bigint(peak.bytes)
        }
        try copy(try admitted(batch.lines, attempt: attempt), into: "log_line", ["attempt", "rank", "instance", "stream", "at", "text"]) {
            line, row in
            row.bigint(attempt)
            row.integer(rank)
            row.integer(line.instance)
            row.text(line.stream.rawValue)
            row.timestamp(nanosecondsSince1970: line.at)
            row.text(line.text)
        }
    }

    /// As many of the lines as the attempt may still have.
    ///
    /// The update locks the attempt until the end of the transaction, so that the lines of one attempt become visible in the
    /// order of their sequence numbers: who reads on from the last line he saw misses none.
    private func admitted(
        _ lines: [(at: Int64, instance: Int?, stream: LogLine.Stream, text: String)], attempt: Int64
    ) throws -> [(at: Int64, instance: Int?, stream: LogLine.Stream, text: String)] {
        guard let first = lines.first else { return [] }
        let rows = try query(
            "UPDATE attempt SET log_lines = least(log_lines::bigint + $2, $3 + 1) WHERE id = $1 RETURNING log_lines",
            [.int(attempt), .int(lines.count), .int(Storage.maximumLogLines)])
        guard let after: Int = try rows.first?.value("log_lines") else { throw StorageError.corrupt("no attempt \(attempt)") }
        if after <= Storage.maximumLogLines { return lines }
        let stored = try query("SELECT count(*) AS lines FROM log_line WHERE attempt = $1", [.int(attempt)])
        let room = Storage.maximumLogLines - (try stored.first?.value("lines") ?? 0)
        guard room >= 0 else { return [] }
        let notice = "[The \(Storage.maximumLogLines) lines that are kept of an attempt are full; what follows is in the rank's log only.]"
        return Array(lines.prefix(room)) + [(first.at, nil, .stderr, notice)]
    }

    private func copy<Record>(
        _ records: [Record], into table: String, _ columns: [String], row: (Record, inout CopyBuffer) -> Void
    ) throws {
        guard !records.isEmpty else { return }
        try copyIn(table, columns) { buffer in
            for record in records {
                try buffer.beginRow()
                row(record, &buffer)
            }
        }
    }
}
