// SPDX-License-Identifier: Apache-2.0

import Postgres
import Provenance
import WorkflowModel

/// A row of `invocation_run`.
struct StoredCallRun {
    static let columns = [
        "attempt", "instance", "first_sequence", "last_sequence", "input_port", "first_input", "last_input", "input_level", "input_stride",
        "input_offsets", "started_at", "ended_at", "timed", "timed_duration", "starts", "durations",
    ]

    private struct Inputs {
        var first: Int64
        var last: Int64
        var stride: Int64?
        var offsets: [Int32]?
    }

    private var run: CallRun
    private var calls: Range<Int>
    private var inputs: Inputs?

    /// One, but for inputs that are listed.
    static func rows(of run: CallRun) -> [StoredCallRun] {
        let all = 0..<Int(run.count)
        switch run.inputs {
        case .none: return [StoredCallRun(run: run, calls: all, inputs: nil)]
        case .progression(let first, let stride):
            // Of one call only, the stride may be anything.
            let stride = run.count == 1 ? 1 : Int64(stride)
            let last = Int64(first) + stride * Int64(run.count - 1)
            return [StoredCallRun(run: run, calls: all, inputs: Inputs(first: Int64(first), last: last, stride: stride))]
        case .list(let inputs):
            return OffsetPiece.cut(inputs.map(\.rawValue)).map {
                StoredCallRun(run: run, calls: $0.range, inputs: Inputs(first: $0.first, last: $0.last, offsets: $0.offsets))
            }
        }
    }

    /// The columns after `attempt`.
    func write(to row: inout CopyBuffer) {
        row.integer(run.instance)
        row.bigint(Int64(run.first) + Int64(calls.lowerBound))
        row.bigint(Int64(run.first) + Int64(calls.upperBound - 1))
        row.integer(run.inputPort)
        row.bigint(inputs?.first)
        row.bigint(inputs?.last)
        row.smallint(inputs.map { Span.level(from: $0.first, to: $0.last) })
        row.bigint(inputs?.stride)
        row.integers(inputs?.offsets)
        row.timestamp(nanosecondsSince1970: run.start)
        row.timestamp(nanosecondsSince1970: run.end)
        // What was measured of all is told once.
        let isFirst = calls.lowerBound == 0
        row.bigint(isFirst ? Int64(clamping: run.timed) : 0)
        row.bigint(isFirst ? Int64(clamping: run.timedDuration) : 0)
        row.bigints(run.times.isEmpty ? nil : run.times[calls].map(\.start))
        row.bigints(run.times.isEmpty ? nil : run.times[calls].map(\.duration))
    }
}

/// A row of `datum_run`.
struct StoredDataRun {
    static let columns = [
        "attempt", "instance", "first_datum", "last_datum", "origin", "port", "first_writer", "last_writer", "writer_level",
        "writer_stride", "writer_offsets", "size", "first_at", "last_at",
    ]

    private struct Writers {
        var first: Int64
        var last: Int64
        var stride: Int?
        var offsets: [Int32]?
    }

    private var run: DataRun
    private var data: Range<Int>
    private var writers: Writers?

    /// One, but for writers that are listed.
    static func rows(of run: DataRun) -> [StoredDataRun] {
        let all = 0..<Int(run.count)
        switch run.writers {
        case .none: return [StoredDataRun(run: run, data: all, writers: nil)]
        case .one(let writer):
            return [StoredDataRun(run: run, data: all, writers: Writers(first: Int64(writer), last: Int64(writer), stride: 0))]
        case .each(let first):
            return [
                StoredDataRun(run: run, data: all, writers: Writers(first: Int64(first), last: Int64(first + (run.count - 1)), stride: 1))
            ]
        case .distances(let first, let distances):
            return OffsetPiece.cut(distances.map { first + UInt64($0) }).map {
                StoredDataRun(run: run, data: $0.range, writers: Writers(first: $0.first, last: $0.last, offsets: $0.offsets))
            }
        }
    }

    /// The columns after `attempt`.
    func write(to row: inout CopyBuffer) {
        row.integer(run.first.instance)
        row.bigint(Int64(run.first) + Int64(data.lowerBound))
        row.bigint(Int64(run.first) + Int64(data.upperBound - 1))
        row.smallint(Int(run.origin.rawValue))
        row.integer(run.port)
        row.bigint(writers?.first)
        row.bigint(writers?.last)
        row.smallint(writers.map { Span.level(from: $0.first, to: $0.last) })
        row.smallint(writers?.stride)
        row.integers(writers?.offsets)
        row.bigint(size)
        row.timestamp(nanosecondsSince1970: time(of: data.lowerBound))
        row.timestamp(nanosecondsSince1970: time(of: data.upperBound - 1))
    }

    /// Its share; the first row has what does not divide.
    private var size: Int64 {
        let (share, rest) = run.size.quotientAndRemainder(dividingBy: run.count)
        let (size, overflow) = share.multipliedReportingOverflow(by: UInt64(data.count))
        return Int64(clamping: overflow ? .max : size &+ (data.lowerBound == 0 ? rest : 0))
    }

    /// As if the data had come at equal distances.
    private func time(of index: Int) -> Int64 {
        guard run.count > 1 else { return run.firstAt }
        let fraction = Double(index) / Double(run.count - 1)
        if fraction == 1 { return run.lastAt }
        let (distance, overflow) = run.lastAt.subtractingReportingOverflow(run.firstAt)
        return overflow ? run.firstAt : run.firstAt &+ Int64(Double(distance) * fraction)
    }
}

extension Connection {
    func store(_ profile: InstanceProfile, attempt: Int64, instance: Int) throws {
        try query(
            """
            INSERT INTO instance_profile (attempt, instance, calls, items_in, items_out, bytes_out, busy, blocked, sampled, p50, p95,
                skipped, retried, changed)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
            ON CONFLICT (attempt, instance) DO UPDATE SET calls = $3, items_in = $4, items_out = $5, bytes_out = $6, busy = $7,
                blocked = $8, sampled = $9, p50 = $10, p95 = $11, skipped = $12, retried = $13, changed = $14
            """,
            [
                .int(attempt), .int(instance), .int(profile.calls), .int(profile.itemsIn), .int(profile.itemsOut), .int(profile.bytesOut),
                .int(profile.busy), .int(profile.blocked), .int(profile.sampled), profile.p50.map { .int($0) } ?? .null,
                profile.p95.map { .int($0) } ?? .null, .int(profile.skipped), .int(profile.retried),
                profile.changed.map { .texts($0.map(\.replacingNUL)) } ?? .null,
            ])
    }
}
