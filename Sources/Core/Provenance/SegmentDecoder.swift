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
        try bytes.withUnsafeBytes { bytes in
            Result { () throws(SegmentError) in try decode(bytes, at: offset) }
        }.get()
    }

    private func decode(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(SegmentError) -> SegmentChunk {
        var chunk = SegmentChunk(records: [], offset: offset, ended: false)
        var rest = Fields(bytes)
        if offset == 0 {
            let found = rest.take(min(header.count, bytes.count)) ?? bytes
            guard header.starts(with: found) else {
                throw SegmentError(offset: 0, reason: "the header is not that of a segment of this run, attempt and rank")
            }
            guard found.count == header.count else { return chunk }
            chunk.offset = Int64(header.count)
        }
        let start = chunk.offset
        while let length = rest.next(UInt32.self), let checksum = rest.next(UInt32.self) {
            do throws(SegmentError) {
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
                guard let payload = rest.take(Int(length)) else { return chunk }
                guard CRC32C.checksum(payload) == checksum else {
                    throw SegmentError(offset: chunk.offset, reason: "the checksum of a frame of \(length) bytes is wrong")
                }
                try Self.decode(payload, at: chunk.offset, into: &chunk.records)
                chunk.offset += Int64(SegmentFormat.frameHeaderSize) + Int64(length)
            } catch {
                if chunk.offset > start { return chunk }
                throw error
            }
        }
        return chunk
    }

    /// Adds all records of the payload, or none.
    private static func decode(
        _ payload: UnsafeRawBufferPointer, at offset: Int64, into records: inout [SegmentRecord]
    ) throws(SegmentError) {
        let before = records.count
        var rest = Fields(payload)
        while !rest.isEmpty {
            guard let number = rest.next(UInt8.self), let flag = rest.next(UInt8.self), let subject = rest.next(UInt16.self),
                let length = rest.next(UInt32.self), let body = rest.take(Int(length))
            else {
                records.removeSubrange(before...)
                throw SegmentError(offset: offset, reason: "a record does not fit its frame")
            }
            guard let type = SegmentFormat.RecordType(rawValue: number) else { continue }
            guard let record = SegmentRecord(type, flag: flag, subject: subject, body: Fields(body)) else {
                records.removeSubrange(before...)
                throw SegmentError(offset: offset, reason: "a record of type \(type) has a flag or a body it cannot have")
            }
            records.append(record)
        }
    }
}

extension SegmentRecord {
    fileprivate init?(_ type: SegmentFormat.RecordType, flag: UInt8, subject: UInt16, body: Fields) {
        var fields = body
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
                    inputPort: Self.optionalIndex(port), start: start, duration: duration))
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
            self = .log(at: at, instance: Self.optionalIndex(subject), stream: stream, text: fields.text)
        case .worker:
            guard let event = WorkerEvent(rawValue: flag), let at = fields.next(Int64.self), let pid = fields.next(UInt32.self),
                fields.next(UInt32.self) != nil
            else { return nil }
            self = .worker(at: at, worker: Int(subject), event: event, pid: Int32(bitPattern: pid), node: fields.text)
        case .calls:
            guard let run = CallRun(instance: Int(subject), fields) else { return nil }
            self = .calls(run)
        case .data:
            guard let origin = WrittenDatum.Origin(rawValue: flag), let run = DataRun(origin: origin, port: Int(subject), fields) else {
                return nil
            }
            self = .data(run)
        case .profile:
            guard let profile = try? WireJSON.decode(InstanceProfile.self, from: fields.rest) else { return nil }
            self = .profile(instance: Int(subject), profile)
        case .memory:
            guard body.count == 8, let peak = fields.next(Int64.self) else { return nil }
            self = .memory(worker: Self.optionalIndex(subject), peak: peak)
        }
    }

    /// Nil where the number can be no datum; a nil `datum` where there is none.
    private static func optionalDatum(_ raw: UInt64) -> (datum: DatumID?, Void)? {
        if raw == SegmentFormat.none64 { return (nil, ()) }
        return DatumID(segment: raw).map { ($0, ()) }
    }

    fileprivate static func optionalIndex(_ raw: UInt16) -> Int? { raw == SegmentFormat.none16 ? nil : Int(raw) }
}

extension CallRun {
    fileprivate init?(instance: Int, _ body: Fields) {
        var fields = body
        guard let first = fields.next(UInt64.self), let count = fields.next(UInt64.self), let port = fields.next(UInt16.self),
            let inputForm = fields.next(UInt8.self), let timingForm = fields.next(UInt8.self), fields.next(UInt32.self) != nil,
            let start = fields.next(Int64.self), let end = fields.next(Int64.self), let timed = fields.next(UInt64.self),
            let duration = fields.next(UInt64.self), first.isRun(of: count), timed <= count
        else { return nil }
        let inputs: Inputs
        switch inputForm {
        case 0: inputs = .none
        case 1:
            guard let datum = fields.datum(), let stride = fields.next(UInt64.self), datum.rawValue.isRun(of: count, stride: stride),
                stride <= 1 || count <= SegmentFormat.maximumStridedCalls
            else { return nil }
            inputs = .progression(first: datum, stride: stride)
        case 2:
            guard let list = fields.list(count, of: UInt64.self, as: DatumID.init(rawValue:)),
                list.reduce(0, { $0 | $1.rawValue }) >> 63 == 0
            else { return nil }
            inputs = .list(list)
        default: return nil
        }
        var times: [Time] = []
        switch timingForm {
        case 0: break
        case 1:
            guard
                let list = fields.list(
                    count, of: (Int64, Int64).self, as: { Time(start: .init(littleEndian: $0.0), duration: .init(littleEndian: $0.1)) })
            else { return nil }
            times = list
        default: return nil
        }
        guard fields.isEmpty else { return nil }
        self.init(
            instance: instance, first: first, count: count, inputPort: SegmentRecord.optionalIndex(port), inputs: inputs, times: times,
            start: start, end: end, timed: timed, timedDuration: duration)
    }
}

extension DataRun {
    fileprivate init?(origin: WrittenDatum.Origin, port: Int, _ body: Fields) {
        var fields = body
        guard let first = fields.datum(), let count = fields.next(UInt64.self), let form = fields.next(UInt8.self),
            fields.take(7) != nil, let sequence = fields.next(UInt64.self), let size = fields.next(UInt64.self),
            let firstAt = fields.next(Int64.self), let lastAt = fields.next(Int64.self), first.rawValue.isRun(of: count),
            // All are of one instance.
            (first.rawValue + (count - 1)) >> 48 == first.rawValue >> 48
        else { return nil }
        let writers: Writers
        switch form {
        case 0 where sequence.isRun(of: 1): writers = .one(sequence)
        case 1 where sequence.isRun(of: count): writers = .each(from: sequence)
        case 2:
            guard let list = fields.list(count, of: UInt32.self, as: { UInt32(littleEndian: $0) }),
                sequence.isRun(of: 2, stride: UInt64(list.max() ?? 0))
            else { return nil }
            writers = .distances(from: sequence, list)
        case 3: writers = .none
        default: return nil
        }
        guard fields.isEmpty else { return nil }
        self.init(
            first: first, count: count, origin: origin, port: port, writers: writers, size: size, firstAt: firstAt, lastAt: lastAt)
    }
}

extension UInt64 {
    /// Whether the number and its followers stay in 63 bits, as datum ids and sequences do.
    fileprivate func isRun(of count: UInt64, stride: UInt64 = 1) -> Bool {
        guard (1...UInt64(Int64.max)).contains(count) else { return false }
        let (distance, product) = stride.multipliedReportingOverflow(by: count - 1)
        let (last, sum) = addingReportingOverflow(distance)
        return !product && !sum && last >> 63 == 0
    }
}

extension DatumID {
    /// A datum's id has 63 bits.
    fileprivate init?(segment raw: UInt64) {
        guard raw >> 63 == 0 else { return nil }
        self.init(rawValue: raw)
    }
}

/// Reads bytes from their beginning; they must outlive it.
private struct Fields {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var count: Int { bytes.count - position }
    var isEmpty: Bool { count == 0 }
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[position...]) }

    /// What is left; bytes that are not UTF-8 are replaced.
    var text: String { String(decoding: rest, as: UTF8.self) }

    mutating func next<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) -> T? {
        guard count >= MemoryLayout<T>.size else { return nil }
        defer { position += MemoryLayout<T>.size }
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: T.self))
    }

    mutating func datum() -> DatumID? { next(UInt64.self).flatMap { DatumID(segment: $0) } }

    mutating func take(_ length: Int) -> UnsafeRawBufferPointer? {
        guard count >= length else { return nil }
        defer { position += length }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + length])
    }

    /// So many elements, if they are there.
    mutating func list<Stored: BitwiseCopyable, Element>(
        _ number: UInt64, of: Stored.Type, as element: (Stored) -> Element
    ) -> [Element]? {
        let size = MemoryLayout<Stored>.size
        guard number <= UInt64(count / size), let bytes = take(Int(number) * size) else { return nil }
        return (0..<Int(number)).map { element(bytes.loadUnaligned(fromByteOffset: $0 * size, as: Stored.self)) }
    }
}
