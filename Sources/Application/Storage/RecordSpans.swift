// SPDX-License-Identifier: Apache-2.0

import Postgres
import Provenance
import WorkflowModel

/// Which numbers belong to numbers that follow each other: writers to data, inputs to calls.
enum Partners {
    case none
    case progression(first: UInt64, stride: UInt64)
    case offsets(first: UInt64, [Int64])

    init(_ row: Row, first: String, stride: String, offsets: String) throws {
        guard let start: Int64 = try row.optional(first) else {
            self = .none
            return
        }
        let first = UInt64(bitPattern: start)
        if let stride: Int64 = try row.optional(stride) {
            self = .progression(first: first, stride: UInt64(bitPattern: stride))
        } else {
            self = .offsets(first: first, try row.value(offsets, as: IntegerList.self).values)
        }
    }

    subscript(_ index: UInt64) -> UInt64? {
        switch self {
        case .none: nil
        case .progression(let first, let stride): first &+ stride &* index
        case .offsets(let first, let offsets): index < offsets.count ? first &+ UInt64(bitPattern: offsets[Int(index)]) : nil
        }
    }

    /// What is so of the numbers, told of their partners.
    ///
    /// - Parameter start: the number of the first partner.
    func moved(_ gap: Gap, from start: UInt64) -> [Gap] {
        switch self {
        case .none: []
        case .progression(let first, 0): [gap.moved(from: gap.span.lowerBound, to: first)]
        case .progression(let first, 1): [gap.moved(to: first + (gap.span.lowerBound - start))]
        case .progression, .offsets: gap.span.compactMap { number in self[number - start].map { gap.moved(from: number, to: $0) } }
        }
    }

    func forEachSpan(count: UInt64, _ body: (ClosedRange<UInt64>) -> Void) {
        switch self {
        case .none: break
        case .progression(let first, 0): body(first...first)
        case .progression(let first, 1): body(first...first + (count - 1))
        case .progression, .offsets: for index in 0..<count { if let partner = self[index] { body(partner...partner) } }
        }
    }
}

extension Partners {
    /// Positions of the partners that are in the set, as spans.
    func forEachPosition(count: UInt64, in numbers: inout NumberSet, _ body: (ClosedRange<UInt64>) -> Void) {
        switch self {
        case .none: break
        case .progression(let first, 0): if numbers.contains(first) { body(0...count - 1) }
        case .progression(let first, 1):
            for part in numbers.within(first...first + (count - 1)) { body(part.lowerBound - first...part.upperBound - first) }
        case .progression, .offsets:
            for index in 0..<count { if let partner = self[index], numbers.contains(partner) { body(index...index) } }
        }
    }
}

/// Data of one instance whose ids follow each other.
struct DataSpan {
    var span: ClosedRange<UInt64>
    var port: Int
    var writers: Partners
}

/// Calls of one instance whose sequences follow each other.
struct CallSpan {
    var sequences: ClosedRange<UInt64>
    var port: Int?
    var inputs: Partners
    /// Or was skipped.
    var endedWell: Bool
}

extension ClosedRange<UInt64> {
    var length: UInt64 { upperBound - lowerBound + 1 }

    func moved(by distance: UInt64) -> Self { lowerBound + distance...upperBound + distance }
}

extension Connection {
    /// Data with ids in the range, single ones and runs.
    func forEachData(_ ids: ClosedRange<UInt64>, _ attempt: Int64, _ body: (DataSpan) throws -> Void) throws {
        let range = "BETWEEN \(ids.lowerBound) AND \(ids.upperBound)"
        try stream(
            "data_span",
            """
            SELECT datum AS first, datum AS last, port, invocation AS writer, 0 AS stride, NULL::integer[] AS offsets
            FROM datum WHERE attempt = \(attempt) AND datum \(range)
            UNION ALL
            SELECT first_datum, last_datum, port, first_writer, writer_stride, writer_offsets
            FROM datum_run WHERE attempt = \(attempt) AND first_datum \(range)
            """
        ) { row in
            try body(
                DataSpan(
                    span: try row.span(), port: try row.value("port"),
                    writers: try Partners(row, first: "writer", stride: "stride", offsets: "offsets")))
        }
    }

    /// Calls of `process`, single ones and runs.
    func forEachCalls(of instance: Int, _ attempt: Int64, _ body: (CallSpan) throws -> Void) throws {
        try stream(
            "call_span",
            """
            SELECT sequence AS first, sequence AS last, input_port, input, 1 AS stride, NULL::integer[] AS offsets,
                outcome <> 1 AS ended_well
            FROM invocation WHERE attempt = \(attempt) AND instance = \(instance) AND kind = 0
            UNION ALL
            SELECT first_sequence, last_sequence, input_port, first_input, input_stride, input_offsets, true
            FROM invocation_run WHERE attempt = \(attempt) AND instance = \(instance)
            """
        ) { row in
            try body(
                CallSpan(
                    sequences: try row.span(), port: try row.optional("input_port"),
                    inputs: try Partners(row, first: "input", stride: "stride", offsets: "offsets"), endedWell: try row.value("ended_well"))
            )
        }
    }

    func forEachDerivation(
        _ ids: ClosedRange<UInt64>, _ attempt: Int64, _ body: (_ datum: UInt64, _ source: UInt64) throws -> Void
    ) throws {
        try stream(
            "derived",
            """
            SELECT datum, source FROM derivation
            WHERE attempt = \(attempt) AND datum BETWEEN \(ids.lowerBound) AND \(ids.upperBound)
            """
        ) { row in
            try body(try row.datumID("datum").rawValue, try row.datumID("source").rawValue)
        }
    }

    /// Sequences of the instance's calls of `preprocess` or `postprocess`.
    func calls(_ kind: InvocationRecord.Kind, of instance: Int, _ attempt: Int64) throws -> [UInt64] {
        try query(
            "SELECT sequence FROM invocation WHERE attempt = $1 AND instance = $2 AND kind = $3",
            [.int(attempt), .int(instance), .int(Int(kind.rawValue))]
        ).map { UInt64(bitPattern: try $0.value("sequence")) }
    }

    /// Reads the rows a share at a time; needs a transaction.
    func stream(_ name: String, _ sql: String, _ body: (Row) throws -> Void) throws {
        try script("DECLARE \(name) NO SCROLL CURSOR FOR \(sql)")
        while true {
            let rows = try query("FETCH 1000 FROM \(name)")
            if rows.isEmpty { break }
            for row in rows { try body(row) }
        }
        try script("CLOSE \(name)")
    }
}

extension Row {
    func span() throws -> ClosedRange<UInt64> {
        let (first, last): (Int64, Int64) = (try value("first"), try value("last"))
        guard first <= last else { throw StorageError.corrupt("a run from \(first) to \(last)") }
        return UInt64(bitPattern: first)...UInt64(bitPattern: last)
    }
}

extension DatumID {
    /// The ids of all data of the instance; of an input of the run, of all its inputs.
    var ofSameInstance: ClosedRange<UInt64> { rawValue...rawValue + (1 << 48 - 1) }
}
