// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// What of a segment file could not be read, and where.
package struct SegmentError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Byte of the file at which the frame (or the header) that is wrong begins.
    package var offset: Int64
    package var reason: String

    package init(offset: Int64, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    package var description: String { "at byte \(offset): \(reason)" }
}

/// The whole frames found in a piece of a segment file.
package struct SegmentChunk: Sendable, Equatable {
    package var records: [SegmentRecord]
    /// Where in the file to read on.
    package var offset: Int64
    /// The end frame was among them.
    package var ended: Bool
}

/// Reads a segment file piece by piece while its rank still writes it. It keeps nothing between the pieces: what has been
/// read is remembered by its offset, in the database, beside the records.
package struct SegmentDecoder: Sendable {
    private let header: [UInt8]

    /// - Parameters: whose segment it must be; another one's header is an error.
    package init(run: RunID, attempt: Int, rank: Int) {
        header = SegmentEncoder(run: run, attempt: attempt, rank: rank).header()
    }

    /// Decodes the whole frames at the beginning of `bytes`; a frame that is not yet whole is left for the next call.
    ///
    /// - Parameters:
    ///   - bytes: what the file holds from `offset` on.
    ///   - offset: 0, or the offset of an earlier chunk.
    /// - Throws: when the first frame is wrong. What stands before a wrong frame is delivered first, without an error.
    package func decode(_ bytes: [UInt8], at offset: Int64) throws(SegmentError) -> SegmentChunk {
        var chunk = SegmentChunk(records: [], offset: offset, ended: false)
        var position = 0
        if offset == 0 {
            guard bytes.count >= header.count else {
                guard header.starts(with: bytes) else { throw wrongHeader() }
                return chunk
            }
            guard bytes.starts(with: header) else { throw wrongHeader() }
            position = header.count
            chunk.offset = Int64(position)
        }
        let start = chunk.offset
        while let length = bytes.littleEndian(UInt32.self, at: position),
            let checksum = bytes.littleEndian(UInt32.self, at: position + 4)
        {
            do throws(SegmentError) {
                let body = position + SegmentFormat.frameHeaderSize
                if length == 0 {
                    guard checksum == 0 else { throw SegmentError(offset: chunk.offset, reason: "an end frame has a checksum") }
                    chunk.offset += Int64(SegmentFormat.frameHeaderSize)
                    chunk.ended = true
                    return chunk
                }
                guard length <= SegmentFormat.maximumPayload else {
                    throw SegmentError(
                        offset: chunk.offset, reason: "a frame of \(length) bytes is over the bound of \(SegmentFormat.maximumPayload)")
                }
                guard bytes.count - body >= Int(length) else { return chunk }
                let payload = bytes[body..<body + Int(length)]
                guard CRC32C.checksum(payload) == checksum else {
                    throw SegmentError(offset: chunk.offset, reason: "the checksum of a frame of \(length) bytes is wrong")
                }
                try Self.decode(payload: payload, at: chunk.offset, into: &chunk.records)
                position = body + Int(length)
                chunk.offset += Int64(SegmentFormat.frameHeaderSize) + Int64(length)
            } catch {
                if chunk.offset > start { return chunk }
                throw error
            }
        }
        return chunk
    }

    private func wrongHeader() -> SegmentError {
        SegmentError(offset: 0, reason: "the header is not that of a segment of this run, attempt and rank")
    }

    /// Adds all records of the payload, or none.
    private static func decode(
        payload: ArraySlice<UInt8>, at offset: Int64, into records: inout [SegmentRecord]
    ) throws(SegmentError) {
        let before = records.count
        var rest = payload
        while !rest.isEmpty {
            guard let length = rest.littleEndian(UInt32.self, at: rest.startIndex + 4),
                rest.count - SegmentFormat.recordHeaderSize >= Int(length)
            else {
                records.removeSubrange(before...)
                throw SegmentError(offset: offset, reason: "a record does not fit its frame")
            }
            let body = rest.dropFirst(SegmentFormat.recordHeaderSize).prefix(Int(length))
            if let type = SegmentFormat.RecordType(rawValue: rest[rest.startIndex]) {
                let flag = rest[rest.startIndex + 1]
                guard let subject = rest.littleEndian(UInt16.self, at: rest.startIndex + 2),
                    let record = SegmentRecord(type, flag: flag, subject: subject, body: body)
                else {
                    records.removeSubrange(before...)
                    throw SegmentError(offset: offset, reason: "a record of type \(type) has a flag or a body it cannot have")
                }
                records.append(record)
            }
            rest = rest[body.endIndex...]
        }
    }
}

extension SegmentRecord {
    fileprivate init?(_ type: SegmentFormat.RecordType, flag: UInt8, subject: UInt16, body: ArraySlice<UInt8>) {
        var fields = Fields(rest: body)
        switch type {
        case .invocation:
            guard body.count == 40, let kind = InvocationRecord.Kind(rawValue: flag & 0x0F),
                let outcome = InvocationRecord.Outcome(rawValue: flag >> 4), let sequence = fields.next(UInt64.self),
                let input = fields.next(UInt64.self), let start = fields.next(Int64.self), let duration = fields.next(Int64.self),
                let port = fields.next(UInt16.self), let input = Self.optionalDatum(input)
            else { return nil }
            self = .invocation(
                InvocationRecord(
                    instance: Int(subject), sequence: sequence, kind: kind, outcome: outcome, input: input.datum,
                    inputPort: port == SegmentFormat.none16 ? nil : Int(port), start: start, duration: duration))
        case .datum:
            guard body.count == 32, let origin = WrittenDatum.Origin(rawValue: flag), let id = fields.datum(),
                let invocation = fields.next(UInt64.self), let size = fields.next(UInt64.self), let at = fields.next(Int64.self)
            else { return nil }
            self = .datum(
                WrittenDatum(
                    id: id, origin: origin, port: Int(subject),
                    invocation: invocation == SegmentFormat.none64 ? nil : invocation, size: size, at: at))
        case .derivation:
            guard body.count == 16, let datum = fields.datum(), let source = fields.datum() else { return nil }
            self = .derivation(datum: datum, source: source)
        case .attributes:
            guard let datum = fields.datum() else { return nil }
            self = .attributes(datum: datum, json: fields.text)
        case .result:
            guard let datum = fields.datum() else { return nil }
            self = .result(datum: datum, port: Int(subject), json: fields.text)
        case .log:
            guard let stream = LogLine.Stream(segmentFlag: flag), let at = fields.next(Int64.self) else { return nil }
            self = .log(at: at, instance: subject == SegmentFormat.none16 ? nil : Int(subject), stream: stream, text: fields.text)
        case .worker:
            guard let event = WorkerEvent(rawValue: flag), let at = fields.next(Int64.self), let pid = fields.next(UInt32.self),
                fields.next(UInt32.self) != nil
            else { return nil }
            self = .worker(at: at, worker: Int(subject), event: event, pid: Int32(bitPattern: pid), node: fields.text)
        }
    }

    /// Nil where the number can be no datum; a nil `datum` where there is none.
    private static func optionalDatum(_ raw: UInt64) -> (datum: DatumID?, Void)? {
        if raw == SegmentFormat.none64 { return (nil, ()) }
        return DatumID(segment: raw).map { ($0, ()) }
    }
}

extension DatumID {
    /// A datum's id has 63 bits.
    fileprivate init?(segment raw: UInt64) {
        guard raw >> 63 == 0 else { return nil }
        self.init(rawValue: raw)
    }
}

/// Reads a body from its beginning.
private struct Fields {
    var rest: ArraySlice<UInt8>

    mutating func next<T: FixedWidthInteger>(_: T.Type) -> T? {
        guard let value = rest.littleEndian(T.self, at: rest.startIndex) else { return nil }
        rest = rest.dropFirst(MemoryLayout<T>.size)
        return value
    }

    mutating func datum() -> DatumID? { next(UInt64.self).flatMap { DatumID(segment: $0) } }

    /// What is left; bytes that are not UTF-8 are replaced.
    var text: String { String(decoding: rest, as: UTF8.self) }
}

extension RandomAccessCollection<UInt8> where Index == Int {
    /// The integer at the index, or nil where the collection ends before it does.
    fileprivate func littleEndian<T: FixedWidthInteger>(_: T.Type, at index: Int) -> T? {
        guard index >= startIndex, endIndex - index >= MemoryLayout<T>.size else { return nil }
        var value: T = 0
        for shift in 0..<MemoryLayout<T>.size { value |= T(truncatingIfNeeded: self[index + shift]) << (8 * shift) }
        return value
    }
}
