// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Produces the bytes of one rank's segment file. Who writes them decides when a frame is full.
package struct SegmentEncoder: Sendable {
    private let run: RunID
    private let attempt: Int
    private let rank: Int

    package init(run: RunID, attempt: Int, rank: Int) {
        self.run = run
        self.attempt = attempt
        self.rank = rank
    }

    /// The file's first bytes.
    package func header() -> [UInt8] {
        var bytes = SegmentFormat.magic + run.bytes
        bytes.append(littleEndian: UInt32(attempt))
        bytes.append(littleEndian: UInt32(rank))
        return bytes
    }

    /// - Parameter payload: whole records, at most ``SegmentFormat/maximumPayload`` bytes and at least one, since an empty
    ///   frame is the ``end``.
    package static func frame(_ payload: [UInt8]) -> [UInt8] {
        precondition((1...SegmentFormat.maximumPayload).contains(payload.count), "a frame holds from 1 byte to 16 MiB")
        var bytes: [UInt8] = []
        bytes.reserveCapacity(SegmentFormat.frameHeaderSize + payload.count)
        bytes.append(littleEndian: UInt32(payload.count))
        bytes.append(littleEndian: CRC32C.checksum(payload))
        bytes += payload
        return bytes
    }

    /// The frame after which the rank has nothing more to say.
    package static let end = [UInt8](repeating: 0, count: SegmentFormat.frameHeaderSize)
}

extension SegmentRecord {
    /// Appends the record in its binary form.
    package func encode(into bytes: inout [UInt8]) {
        switch self {
        case .invocation(let invocation):
            let flag = invocation.kind.rawValue | invocation.outcome.rawValue << 4
            Self.appendHeader(.invocation, flag: flag, subject: UInt16(invocation.instance), length: 40, to: &bytes)
            bytes.append(littleEndian: invocation.sequence)
            bytes.append(littleEndian: invocation.input?.rawValue ?? SegmentFormat.none64)
            bytes.append(littleEndian: invocation.start)
            bytes.append(littleEndian: invocation.duration)
            bytes.append(littleEndian: invocation.inputPort.map { UInt16($0) } ?? SegmentFormat.none16)
            bytes.append(contentsOf: repeatElement(0, count: 6))
        case .datum(let datum):
            Self.appendHeader(.datum, flag: datum.origin.rawValue, subject: UInt16(datum.port), length: 32, to: &bytes)
            bytes.append(littleEndian: datum.id.rawValue)
            bytes.append(littleEndian: datum.invocation ?? SegmentFormat.none64)
            bytes.append(littleEndian: datum.size)
            bytes.append(littleEndian: datum.at)
        case .derivation(let datum, let source):
            Self.appendHeader(.derivation, flag: 0, subject: 0, length: 16, to: &bytes)
            bytes.append(littleEndian: datum.rawValue)
            bytes.append(littleEndian: source.rawValue)
        case .attributes(let datum, let json):
            Self.appendHeader(.attributes, flag: 0, subject: 0, length: 8 + json.utf8.count, to: &bytes)
            bytes.append(littleEndian: datum.rawValue)
            bytes += json.utf8
        case .result(let datum, let port, let json):
            Self.appendHeader(.result, flag: 0, subject: UInt16(port), length: 8 + json.utf8.count, to: &bytes)
            bytes.append(littleEndian: datum.rawValue)
            bytes += json.utf8
        case .log(let at, let instance, let stream, let text):
            let subject = instance.map { UInt16($0) } ?? SegmentFormat.none16
            Self.appendHeader(.log, flag: stream.segmentFlag, subject: subject, length: 8 + text.utf8.count, to: &bytes)
            bytes.append(littleEndian: at)
            bytes += text.utf8
        case .worker(let at, let worker, let event, let pid, let node):
            Self.appendHeader(.worker, flag: event.rawValue, subject: UInt16(worker), length: 16 + node.utf8.count, to: &bytes)
            bytes.append(littleEndian: at)
            bytes.append(littleEndian: UInt32(bitPattern: pid))
            bytes.append(littleEndian: UInt32(0))
            bytes += node.utf8
        case .calls(let run): run.encode(into: &bytes)
        case .data(let run): run.encode(into: &bytes)
        case .profile(let instance, let profile):
            // Numbers and names only, which JSON can always hold.
            let json = (try? WireJSON.encode(profile)) ?? Array("{}".utf8)
            Self.appendHeader(.profile, flag: 0, subject: UInt16(instance), length: json.count, to: &bytes)
            bytes += json
        case .memory(let worker, let peak):
            Self.appendHeader(.memory, flag: 0, subject: worker.map { UInt16($0) } ?? SegmentFormat.none16, length: 8, to: &bytes)
            bytes.append(littleEndian: peak)
        }
    }

    fileprivate static func appendHeader(
        _ type: SegmentFormat.RecordType, flag: UInt8, subject: UInt16, length: Int, to bytes: inout [UInt8]
    ) {
        bytes.append(type.rawValue)
        bytes.append(flag)
        bytes.append(littleEndian: subject)
        bytes.append(littleEndian: UInt32(length))
    }
}

extension CallRun {
    fileprivate func encode(into bytes: inout [UInt8]) {
        let (form, inputSize): (UInt8, Int) =
            switch inputs {
            case .none: (0, 0)
            case .progression: (1, 16)
            case .list(let list): (2, 8 * list.count)
            }
        SegmentRecord.appendHeader(
            .calls, flag: 0, subject: UInt16(instance), length: 56 + inputSize + 16 * times.count, to: &bytes)
        bytes.append(littleEndian: first)
        bytes.append(littleEndian: count)
        bytes.append(littleEndian: inputPort.map { UInt16($0) } ?? SegmentFormat.none16)
        bytes.append(form)
        bytes.append(times.isEmpty ? 0 : 1)
        bytes.append(littleEndian: UInt32(0))
        bytes.append(littleEndian: start)
        bytes.append(littleEndian: end)
        bytes.append(littleEndian: timed)
        bytes.append(littleEndian: timedDuration)
        switch inputs {
        case .none: break
        case .progression(let first, let stride):
            bytes.append(littleEndian: first.rawValue)
            bytes.append(littleEndian: stride)
        case .list(let list): for input in list { bytes.append(littleEndian: input.rawValue) }
        }
        for time in times {
            bytes.append(littleEndian: time.start)
            bytes.append(littleEndian: time.duration)
        }
    }
}

extension DataRun {
    fileprivate func encode(into bytes: inout [UInt8]) {
        let (form, sequence, distances): (UInt8, UInt64, [UInt32]) =
            switch writers {
            case .one(let sequence): (0, sequence, [])
            case .each(let sequence): (1, sequence, [])
            case .distances(let sequence, let distances): (2, sequence, distances)
            case .none: (3, 0, [])
            }
        SegmentRecord.appendHeader(.data, flag: origin.rawValue, subject: UInt16(port), length: 56 + 4 * distances.count, to: &bytes)
        bytes.append(littleEndian: first.rawValue)
        bytes.append(littleEndian: count)
        bytes.append(form)
        bytes.append(contentsOf: repeatElement(0, count: 7))
        bytes.append(littleEndian: sequence)
        bytes.append(littleEndian: size)
        bytes.append(littleEndian: firstAt)
        bytes.append(littleEndian: lastAt)
        for distance in distances { bytes.append(littleEndian: distance) }
    }
}

extension LogLine.Stream {
    var segmentFlag: UInt8 {
        switch self {
        case .stdout: 1
        case .stderr: 2
        }
    }

    init?(segmentFlag: UInt8) {
        guard let stream = Self.allCases.first(where: { $0.segmentFlag == segmentFlag }) else { return nil }
        self = stream
    }
}

extension [UInt8] {
    mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
